"""docs/sdk.md: its programs run, one after the other, and its lists are complete."""

import re
from pathlib import Path

import pytest

import zai
import zai.errors
from scripted_server import Reply, ScriptedServer, stream

PAGE = (Path(__file__).parents[2] / "docs" / "sdk.md").read_text("utf-8")
WHOLE = (
    b'{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"Hi","role":"assistant"}}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
)


def test_every_program_on_the_page_runs(monkeypatch, capsys):
    programs = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    with ScriptedServer(Reply(WHOLE), Reply(stream("Hel", "lo"))) as server:
        monkeypatch.setenv("ZAI_BASE_URL", server.url)
        monkeypatch.setenv("ZAI_API_KEY", "id.secret")
        for program in programs:
            exec(compile(program, "docs/sdk.md", "exec"), names)
            out = capsys.readouterr().out
            assert ("print(" in program) == ("Hello" in out or "Hi" in out), program
    assert names["message"].content == "Hello"
    assert names["run"].messages[-1] == {"role": "assistant", "content": "Hello"}


def test_the_page_draws_the_exception_hierarchy():
    drawn = re.search(r"```\n(ZaiError\n.*?)```", PAGE, re.DOTALL)[1]
    above = {}
    for line in drawn.splitlines():
        name = re.search(r"\w*Error", line)[0]
        depth = line.index(name) // 4
        above[depth] = name
        if depth:
            assert getattr(zai.errors, name).__mro__[1] is getattr(zai.errors, above[depth - 1])
    names = set(re.findall(r"\w+Error", drawn))
    assert (
        names
        == {name for name in zai.errors.__all__ if name.endswith("Error")}
        == {name for name in zai.__all__ if name.endswith("Error")}
    )


@pytest.mark.parametrize("name", sorted(name for name in zai.__all__ if not name.startswith("__")))
def test_the_page_names_every_public_name(name):
    if name in (
        "NOT_GIVEN",
        "NotGiven",
        "AsyncToolRun",
        "ToolRun",
        "AsyncZhipuAiClient",
        "ZhipuAiClient",
        "CompletionStream",
    ):
        return
    assert re.search(rf"\b{name}\b", PAGE)
