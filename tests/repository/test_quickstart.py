"""docs/quickstart.md: its programs run against the embedded model, and so do the commands of the README's table."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "quickstart.md").read_text("utf-8")
CHAT, TOOLS, RELAY = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TABLE = (ROOT / "README.md").read_text("utf-8").partition("## What can I build?")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| [^|]+ \| `(\S+) ([^|`]+)` \|", TABLE, re.MULTILINE)
SHOWN = {
    "article.py": "## Trade",
    "tutor.py": "\n> ",
    "customer_service.py": "The Art of Computer Programming",
    "async_resume.py": "\n\n",
    "chat": "\n",
    "curl.sh": "data: [DONE]",
}


@pytest.fixture(scope="module")
def url():
    with LocalServer(App(ModelRegistry([load_model("", LlamaSettings())]), Settings())) as server:
        yield server.url


def run(program, url, capsys):
    exec(compile(program.replace("http://127.0.0.1:8000", url), "quickstart", "exec"), {})
    return capsys.readouterr().out


def test_the_chat_prints_a_poem_and_a_second_answer(url, capsys):
    poem, thanks, _ = run(CHAT, url, capsys).rsplit("\n\n", 2)

    assert "\n" in poem
    assert thanks


def test_the_tool_loop_calls_the_function_and_answers(url, capsys):
    result, answer, _ = run(TOOLS, url, capsys).split("\n")

    assert result == "[get_weather: Sunny, 20°C]"
    assert "Sunny" in answer


async def test_the_relay_streams_a_poem_with_its_line_breaks(url, tmp_path):
    file = tmp_path / "relay.py"
    file.write_text(RELAY.replace("http://127.0.0.1:8000", url))
    spec = importlib.util.spec_from_file_location("relay", file)
    relay = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(relay)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(relay.app), base_url="http://relay"
    ) as browser:
        events = (await browser.get("/ask", params={"question": "Write a poem about spring"})).text
        await relay.client.close()

    assert re.search(r"data: [^\n]*\ndata: ", events)
    assert events.endswith("event: done\ndata:\n\n")


def test_the_table_has_each_example_but_those_of_zais_documentation_and_the_demo():
    programs = {path.stem for path in (ROOT / "examples").iterdir() if path.is_file()}

    assert {name for name in programs if name in str(ROWS)} == programs - {
        "demo",
        "stream_tool_call",
        "streaming",
    }


@pytest.mark.parametrize(("program", "arguments"), ROWS, ids=[row[1].split()[0] for row in ROWS])
def test_a_command_of_the_readme_runs_against_the_embedded_model(program, arguments, url):
    words = shlex.split(arguments.partition(" > ")[0])
    name = next((Path(word).name for word in words if Path(word).name in SHOWN), "")
    if not name:  # the backend, which tests/examples/test_chat_backend.py runs
        assert program == ".venv/bin/uvicorn"
        return
    commands = {"sh": ["sh"], ".venv/bin/python": [sys.executable]}
    command = commands.get(program, [sys.executable, "-m", "headrace"])
    environment = {**os.environ, "ZAI_BASE_URL": f"{url}/api/paas/v4", "ZAI_API_KEY": "any"}
    done = subprocess.run(
        [*command, *words], cwd=ROOT, env=environment, input="", capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert SHOWN[name] in done.stdout


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https?:)([^)#]+)", PAGE))
def test_every_link_has_a_target(path):
    assert (ROOT / "docs" / path).exists()
