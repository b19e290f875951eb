"""The program without some of its packages, and with wrong arguments."""

import subprocess
import sys

import pytest

from headrace import __version__
from headrace.cli.main import main

OPTIONAL = ["aiohappyeyeballs", "headrace_tiny", "httptools", "jinja2", "prometheus_client", "redis"]
OPTIONAL += ["starlette", "uvicorn", "uvloop", "xllamacpp", "yarl"]
URL = "http://127.0.0.1:9/v1"


def without(packages, *arguments, text=""):
    """Run the program as if these packages were not installed."""
    program = f"""
import sys
sys.modules.update(dict.fromkeys({packages!r}))
from headrace.cli.main import main
sys.exit(main())
"""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["parse", "--help"]])
def test_the_base_install_has_version_and_help(arguments):
    done = without(OPTIONAL, *arguments)

    assert (done.returncode, done.stderr) == (0, "")
    assert "headrace" in done.stdout


def test_the_base_install_can_parse():
    done = without(OPTIONAL, "parse", "--format", "glm-4.6", text="Hello")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == '{"event":"Content","text":"Hello"}\n'


@pytest.mark.parametrize(
    ("missing", "extra", "arguments"),
    [
        ("jinja2", "server", ["serve"]),
        ("starlette", "server", ["serve"]),
        ("uvicorn", "server", ["serve"]),
        ("httptools", "server", ["serve"]),
        ("prometheus_client", "server", ["serve"]),
        ("uvicorn", "server,upstream", ["record", "--output-dir", "x", URL]),
        ("aiohappyeyeballs", "server,upstream", ["record", "--output-dir", "x", URL]),
        ("aiohappyeyeballs", "upstream", ["serve", "--port", "0", "--upstream", URL]),
        ("aiohappyeyeballs", "upstream", ["serve", "--port", "0", "--config", "chat.toml"]),
        ("rich", "chat", ["chat", "-p", "Hi"]),
        ("prompt_toolkit", "chat", ["chat", "-p", "Hi"]),
        ("zai", "chat", ["chat", "-p", "Hi"]),
        ("redis", "redis", ["serve", "--port", "0", "--store", "redis://127.0.0.1:9"]),
        ("xllamacpp", "llama", ["serve", "--port", "0"]),
        ("headrace_tiny", "tiny", ["serve", "--port", "0"]),
    ],
)
def test_the_message_for_a_missing_package_names_the_extra(missing, extra, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chat.toml").write_text(f'[models.m]\nengine = "chat"\nurl = "{URL}"\n')
    done = without([missing], *arguments)

    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("headrace: ")
    assert f"{missing} is not installed; install headrace[{extra}] as docs/install.md describes" in line


def test_python_m_headrace_is_the_program():
    command = [sys.executable, "-m", "headrace", "--version"]

    assert subprocess.check_output(command, text=True) == f"headrace {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--"], ["nonsense"]])
def test_an_error_without_a_command_shows_that_one_is_needed(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "COMMAND" in capsys.readouterr().err
