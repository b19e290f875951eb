"""The files of deploy/ fit each other, the options, and the programs that read them."""

import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import metadata

import pytest
import yaml

from headrace.configuration import configure
from headrace.models.settings import ModelSettings
from proxies import DEPLOY
from scripted_server import Reply, ScriptedServer

ROOT = DEPLOY.parent
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".json")
UNIT = (DEPLOY / "headrace@.service").read_text()
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
POD = next(yaml.safe_load_all((DEPLOY / "kubernetes" / "headrace.yaml").read_text()))["spec"]["template"][
    "spec"
]
PRE_STOP = POD["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
RAY = yaml.safe_load((DEPLOY / "ray" / "serve.yaml").read_text())["applications"][0]
SLACK = 10
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "": 1}


def settings():
    return configure({"config": str(DEPLOY / "headrace.toml")}, {}).settings


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)([a-z]*)", text).groups()
    return int(number) * SECONDS[unit]


def value(file, pattern):
    return re.search(pattern, (DEPLOY / file).read_text(), re.MULTILINE)[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_each_begins_with_what_it_is_for(path):
    assert re.match(r"# [^ ]", path.read_text())


def test_the_page_names_every_file_and_every_link_has_a_target():
    page = (ROOT / "docs" / "deploy.md").read_text()
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", page)]
    assert all((ROOT / "docs" / link).exists() for link in links)
    linked = {(ROOT / "docs" / link).resolve() for link in links}
    shown = {
        path for path in FILES if path.suffix not in (".yaml", ".dockerignore") or path.name == "compose.yaml"
    }
    assert shown <= linked


GRACE = {
    "systemd": seconds(value("headrace@.service", r"^TimeoutStopSec=(.*)")),
    "compose": seconds(COMPOSE["services"]["headrace"]["stop_grace_period"]),
    "kubernetes": POD["terminationGracePeriodSeconds"] - PRE_STOP,
    "ray": RAY["deployments"][0]["graceful_shutdown_timeout_s"],
}


@pytest.mark.parametrize("grace", GRACE.values(), ids=GRACE)
def test_a_server_is_killed_only_when_its_shutdown_is_over(grace):
    chosen = settings()
    assert grace > chosen.drain_delay + chosen.shutdown_timeout + SLACK


def test_the_serve_config_names_what_exists_and_fits_that_of_kubernetes():
    (deployment,) = RAY["deployments"]
    scaling = deployment["autoscaling_config"]
    for path in (RAY["import_path"], scaling["policy"]["policy_function"]):
        module, name = path.split(":")
        source = ROOT / "packages/headrace/src" / f"{module.replace('.', '/')}.py"
        assert re.search(rf"^(def |){name}\b", source.read_text(), re.MULTILINE)
    source = ROOT / "packages/headrace/src/headrace/scale/ray.py"
    assert f"class {deployment['name']}:" in source.read_text()
    variables = RAY["runtime_env"]["env_vars"]
    del variables["HEADRACE_CONFIG"]
    assert configure({"config": str(DEPLOY / "headrace.toml")}, variables).warnings == []
    autoscaler = yaml.safe_load((DEPLOY / "kubernetes" / "autoscaler.yaml").read_text())["spec"]
    assert scaling["downscale_delay_s"] == autoscaler["behavior"]["scaleDown"]["policies"][0]["periodSeconds"]
    assert (scaling["min_replicas"], scaling["max_replicas"]) == (
        autoscaler["minReplicas"],
        autoscaler["maxReplicas"],
    )


def test_the_proxies_notice_a_shutdown_before_the_drain_delay_is_over():
    delay = settings().drain_delay
    interval = seconds(value("haproxy.cfg", r"inter (\w+)"))
    assert delay > int(value("haproxy.cfg", r"fall (\d+)")) * interval + interval
    assert delay > seconds(value("haproxy.cfg", r"pool-purge-delay (\w+)"))
    assert delay > seconds(value("nginx.conf", r"^ +keepalive_timeout (\w+)"))


def test_the_proxies_wait_longer_than_the_servers():
    longest = ModelSettings().first_token_timeout + settings().limits.queue_timeout
    for file, pattern in (
        ("nginx.conf", r"proxy_read_timeout (\w+)"),
        ("haproxy.cfg", r"timeout server (\w+)"),
    ):
        assert seconds(value(file, pattern)) > longest
    assert settings().connection_idle_timeout > seconds(value("nginx.conf", r"^ +keepalive_timeout (\w+)"))
    assert settings().max_connections_per_address == settings().max_connections


def test_systemd_accepts_the_unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    path = tmp_path / "headrace@.service"
    path.write_text(
        UNIT.replace("/opt/headrace/bin/headrace", sys.executable).replace("/usr/bin/curl", sys.executable)
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_passes_no_secret_and_reloads():
    command = shlex.split(value("headrace@.service", "^ExecStart=(.*)"))
    assert command[1:] == ["serve", "--config", "/etc/headrace/headrace.toml", "--port", "%i"]
    assert value("headrace@.service", "^ExecReload=(.*)") == "/bin/kill -HUP $MAINPID"
    assert value("headrace@.service", "^EnvironmentFile=(.*)") == "/etc/headrace/headrace.env"
    for line in (DEPLOY / "headrace.env").read_text().splitlines():
        assert not line or line.startswith("#")


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_start_of_the_unit_waits_until_the_server_is_ready():
    with ScriptedServer(Reply(b"{}", status=503), Reply(b"{}")) as server:
        port = server.url.split(":")[2].split("/")[0]
        command = value("headrace@.service", "^ExecStartPost=-(.*)").replace("%i", port)
        done = subprocess.run(shlex.split(command), timeout=60, check=False)

    assert done.returncode == 0
    assert [asked.path for asked in server.asked] == ["/readyz", "/readyz"]


def test_the_image_installs_the_packages_from_the_clone():
    (line,) = re.findall(r"pip install .*", DOCKERFILE)
    words = shlex.split(line)
    assert words[:5] == ["pip", "install", "--no-cache-dir", "-c", "/src/constraints.txt"]
    for word in words[5:]:
        path, extra = re.fullmatch(r"/src/(packages/[a-z-]+)(?:\[(\w+)\])?", word).groups()
        assert (ROOT / path / "pyproject.toml").exists()
        assert extra is None or extra in metadata("headrace").get_all("Provides-Extra")
    for source in re.findall(r"^COPY (?!--)(\S+) ", DOCKERFILE, re.MULTILINE):
        assert (ROOT / source).exists()
        assert f"!{source}" in (DEPLOY / "Dockerfile.dockerignore").read_text().split()


def test_compose_mounts_what_exists():
    services = COMPOSE["services"]
    places = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())]
    assert all((DEPLOY / place).exists() for place in places if place.startswith("."))
    assert {place for place in places if not place.startswith(".")} == set(COMPOSE["volumes"])
    assert (DEPLOY / services["headrace"]["env_file"]).exists()
    build = services["headrace"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")
    variables = {
        name: str(text)
        for name, text in services["headrace"]["environment"].items()
        if name != "HEADRACE_CONFIG"
    }
    configured = configure({"config": str(DEPLOY / "headrace.toml")}, variables)
    assert configured.settings.turns.store == "redis://redis:6379/0"
    assert configured.warnings == []
    assert all(":" in service["image"] for name, service in services.items() if name != "headrace")
    assert all(
        port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", ())
    )


@pytest.mark.parametrize("path", ["deploy/Dockerfile", "docs/deploy.md", "docs/install.md"])
def test_a_command_that_installs_everything_names_each_distribution_of_the_clone(path):
    local = {folder.parent.name for folder in (ROOT / "packages").glob("*/pyproject.toml")}
    commands = re.findall(r"^.*pip install .*headrace\[all\].*$", (ROOT / path).read_text(), re.MULTILINE)

    assert commands  # no registry has what is missing
    assert all(set(re.findall(r"/packages/([\w-]+)", command)) == local for command in commands)
