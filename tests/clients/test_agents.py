"""The real Claude Code, Codex and opencode, headless, edit a file: by Messages, Responses and chat completions.

`make clients` installs them from npm. Without them these tests are skipped.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / ".venv-clients-npm/node_modules"
# Native programs, for this platform.
CLAUDE_CODE = next(PACKAGES.glob("@anthropic-ai/claude-code-*/claude"), None)
CODEX = next(PACKAGES.glob("@openai/codex-*/vendor/*/bin/codex"), None)
CODEX_CONFIGURATION = re.search(
    r"^## Codex\n.*?^```toml\n(.*?)^```", (ROOT / "docs/apis.md").read_text(), re.MULTILINE | re.DOTALL
)
OPENCODE = next(PACKAGES.glob("opencode-*/bin/opencode"), None)
PROMPT = "Write greeting.txt with a greeting to the world, then edit it so that it greets Headrace."

pytestmark = [
    pytest.mark.skipif(not (CLAUDE_CODE and CODEX and OPENCODE), reason="`make clients` has not been run"),
    pytest.mark.timeout(400),  # on a loaded machine, opencode alone takes 20 s to start
]


@pytest.fixture
def start_server(tmp_path):
    """Starts a server whose model follows the tool loop; returns the process and its URL."""
    started = []

    def start(store, port="0", stall="-1"):
        command = [sys.executable, HERE / "tool_loop.py", port, store, tmp_path / "work", stall]
        server = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
        started.append(server)
        return server, server.stdout.readline().strip()

    yield start
    for server in started:
        server.kill()
        server.wait()
        server.stdout.close()


@pytest.fixture
def run(tmp_path):
    """Starts a program in an empty folder, without a configuration of its own; returns the process."""
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    home.mkdir()

    def start(*command, **variables):
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TERM": "dumb"}
        return subprocess.Popen(
            [*map(str, command)],
            cwd=work,
            env={**environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def edit(run):
    """Starts Claude Code on the task; returns the process."""

    def start(url):
        variables = {
            "IS_SANDBOX": "1",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "200000",
            "ANTHROPIC_BASE_URL": f"{url}/api/anthropic",
            "ANTHROPIC_AUTH_TOKEN": "dummy",
        }
        options = ("--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions")
        return run(CLAUDE_CODE, "-p", PROMPT, *options, **variables)

    return start


@pytest.fixture
def edit_by_codex(run, tmp_path):
    """Starts Codex, as docs/apis.md configures it, on a file that is there; returns the process."""
    (tmp_path / "work/greeting.txt").write_text('Hello, "world" – ünïcode\nline two\n')

    def start(url):
        configuration = CODEX_CONFIGURATION[1].replace("http://127.0.0.1:8000", url)
        (tmp_path / "home/config.toml").write_text(configuration)
        options = ("--json", "--skip-git-repo-check", "--sandbox", "danger-full-access")
        variables = {"CODEX_HOME": str(tmp_path / "home"), "HEADRACE_KEY": "dummy"}
        return run(CODEX, "exec", *options, PROMPT, **variables)

    return start


def end_of(session):
    """Wait for the end; return what the session has reported, a JSON object in each line."""
    with session:
        output, _ = session.communicate(timeout=380)
    assert session.returncode == 0, output
    return [json.loads(line) for line in output.splitlines()]


def check_file(folder):
    text = (folder / "greeting.txt").read_text("utf-8")
    assert text == 'Hello, "Headrace" – ünïcode\nline two\n'


def check(reports, folder):
    """The file is edited, no tool failed, and the answer is the loop's last."""
    check_file(folder)
    assert not any('"is_error":true' in json.dumps(one, separators=(",", ":")) for one in reports)
    assert reports[-1]["type"] == "result"
    assert reports[-1]["result"] == "Done: the file greets Headrace."


def check_killed(start_server, edit, tmp_path, check):
    """The same although the server is killed in the middle of an answer and started again."""
    store = f"sqlite:{tmp_path / 'turns.db'}"
    server, url = start_server(store, stall="1")
    session = edit(url)
    assert server.stdout.readline() == "stalled\n"
    server.send_signal(signal.SIGKILL)
    server.wait()
    start_server(store, port=url.rpartition(":")[2])

    check(end_of(session), tmp_path / "work")


def retries(reports):
    return [one for one in reports if one.get("subtype") == "api_retry"]


def test_claude_code_edits_a_file_without_a_retry_or_a_tool_error(start_server, edit, tmp_path):
    _, url = start_server("memory")
    reports = end_of(edit(url))

    check(reports, tmp_path / "work")
    assert retries(reports) == []
    used = reports[-1]["usage"]
    assert used["input_tokens"] > 10_000
    assert used["output_tokens"] > 50


def test_a_session_of_claude_code_survives_a_server_that_is_killed_in_mid_answer(
    start_server, edit, tmp_path
):
    check_killed(start_server, edit, tmp_path, check)


def check_codex(reports, folder):
    """The file is edited, every command ran once and did not fail, and the answer is the loop's last."""
    check_file(folder)
    items = [one["item"] for one in reports if one["type"] == "item.completed"]
    used = [item["type"] for item in items if item["type"] in ("command_execution", "file_change")]
    assert used == ["command_execution", "command_execution", "file_change"]
    assert [item["exit_code"] for item in items if item["type"] == "command_execution"] == [0, 0]
    assert items[-1]["text"] == "Done: the file greets Headrace."
    return items


def test_codex_edits_a_file_without_a_retry_or_a_tool_error(start_server, edit_by_codex, tmp_path):
    _, url = start_server("memory")
    reports = end_of(edit_by_codex(url))

    items = check_codex(reports, tmp_path / "work")
    assert [one for one in (*reports, *items) if one["type"] == "error"] == []
    assert items[0] == {"id": "item_0", "type": "reasoning", "text": "First a look at the file."}
    assert reports[-1]["usage"]["input_tokens"] > 0


def test_a_session_of_codex_survives_a_server_that_is_killed_in_mid_answer(
    start_server, edit_by_codex, tmp_path
):
    check_killed(start_server, edit_by_codex, tmp_path, check_codex)


@pytest.fixture
def edit_by_opencode(run):
    """Starts opencode on the task; returns the process."""

    def start(url):
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": f"{url}/v1", "apiKey": "any"},
            "models": {"glm-4.6": {"limit": {"context": 200_000, "output": 32_000}}},
        }
        configuration = {
            "provider": {"headrace": provider},
            "model": "headrace/glm-4.6",
            "permission": {"edit": "allow", "bash": "allow"},
        }
        switches = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD")
        variables = {f"OPENCODE_DISABLE_{switch}": "1" for switch in switches}
        variables["OPENCODE_CONFIG_CONTENT"] = json.dumps(configuration)
        return run(OPENCODE, "run", PROMPT, "--format", "json", **variables)

    return start


def check_opencode(reports, folder):
    """The file is edited, every tool ran once and did not fail, and the answer is the loop's last."""
    check_file(folder)
    parts = [one["part"] for one in reports if "part" in one]
    used = [part["tool"] for part in parts if part["type"] == "tool"]
    assert (used[:2], sorted(used[2:])) == (["write", "edit"], ["bash", "read"])
    assert {part["state"]["status"] for part in parts if part["type"] == "tool"} == {"completed"}
    assert [part["text"] for part in parts if part["type"] == "text"][-1] == "Done: the file greets Headrace."


def test_opencode_edits_a_file_without_a_tool_error(start_server, edit_by_opencode, tmp_path):
    _, url = start_server("memory")
    check_opencode(end_of(edit_by_opencode(url)), tmp_path / "work")


def test_a_session_of_opencode_survives_a_server_that_is_killed_in_mid_answer(
    start_server, edit_by_opencode, tmp_path
):
    check_killed(start_server, edit_by_opencode, tmp_path, check_opencode)
