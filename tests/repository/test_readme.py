"""The commands and programs of the README run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def url():
    settings = Settings()
    with LocalServer(App(ModelRegistry([load_model("", LlamaSettings())]), settings)) as server:
        yield server.url


def run(command, url):
    environment = {
        **os.environ,
        "ZAI_BASE_URL": f"{url}/api/paas/v4",
        "ZAI_API_KEY": "any.key",
    }
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "script", [text for kind, text in BLOCKS if kind == "sh" and text.startswith("curl")]
)
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_command_streams(script, url):
    shown = run(["sh", "-c", script.replace("http://127.0.0.1:8000", url)], url)

    assert shown.startswith("data: {")
    assert shown.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("program", [text for kind, text in BLOCKS if kind == "python"])
def test_the_python_program_prints_a_poem(program, url):
    assert run([sys.executable, "-c", program.replace("http://127.0.0.1:8000", url)], url).count("\n") >= 2


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", re.findall(r"^make (\w+)$", README, re.MULTILINE))
def test_every_make_target_exists(target):
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https?:)([^)#]+)\)", README))
def test_every_link_has_a_target(path):
    assert (ROOT / path).exists()


def test_the_demo_prints_thinking_an_answer_and_incremental_arguments():
    shown = run([sys.executable, str(ROOT / "examples/demo.py")], "")

    for part in ("[thinking]", "[answer]", "[tool call 0: arguments]", "·", "tool_calls", "prompt"):
        assert part in shown


@pytest.mark.parametrize("name", ["streaming.py", "stream_tool_call.py"])
def test_the_programs_of_zais_documentation_run(name, url):
    assert len(run([sys.executable, str(ROOT / "examples" / name)], url)) > 50
