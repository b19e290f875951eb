"""`headrace check` finds the keep-alives at which PyPI's zai-sdk and openai fail.

Both receive the same answer of a server without our code, with something in the silence before its text.
"""

import asyncio
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from headrace.checking import HttpEndpoint, check
from scripted_server import Reply, ScriptedServer, stream

PYTHON = Path(__file__).parents[2] / ".venv-clients/bin/python"
RULES = ("sse.comments", "sse.data", "sse.line-ends", "chunk.choices", "chunk.id")

PROGRAM = """
import sys
from {module} import {client}

def read(url):
    client = {client}(api_key="id.secret", base_url=url)
    messages = [{{"role": "user", "content": "Hello"}}]
    chunks = list(client.chat.completions.create(model="m", messages=messages, stream=True))
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices != [])

for url in sys.argv[1:]:
    try:
        print(read(url))
    except Exception as error:
        print(type(error).__name__)
"""

KEEP_ALIVES = {
    "comment": (b": keep-alive\n", ""),
    "comments": (b": one\n: two\n", ""),
    "comment block": (b": keep-alive\n\n", ""),
    "retry": (b"retry: 3000\n\n", "sse.data"),
    "event without data": (b"event: ping\n\n", "sse.data"),
    "event with data": (b"event: ping\ndata: {}\n\n", "chunk.choices"),
    "line separator": (
        'data: {"id":"turn-1","model":"m","created":1,"choices":[],"x":"\u2028"}\n\n'.encode(),
        "sse.line-ends",
    ),
}
"""By name: the bytes, and the rule that they break, "" for none."""

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="`make clients` has not been run")


@pytest.fixture(scope="module")
def urls():
    """A server for each keep-alive."""
    with ExitStack() as servers:
        yield {
            name: servers.enter_context(silent(keep_alive)).url
            for name, (keep_alive, _) in KEEP_ALIVES.items()
        }


def silent(keep_alive):
    first, *others = stream("Hi ", "there")
    return ScriptedServer(Reply([first, keep_alive, *others], headers={"content-type": "text/event-stream"}))


@pytest.fixture(scope="module")
def read(urls):
    """What each SDK reads, by the name of the keep-alive."""

    def run(module, client):
        command = [PYTHON, "-c", PROGRAM.format(module=module, client=client), *urls.values()]
        environment = {"PATH": os.environ["PATH"]}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=100, env=environment, check=True
        )
        return dict(zip(urls, done.stdout.splitlines(), strict=True))

    return {"zai-sdk": run("zai", "ZaiClient"), "openai": run("openai", "OpenAI")}


@pytest.mark.parametrize("name", KEEP_ALIVES)
def test_a_keep_alive_breaks_a_rule_exactly_if_an_official_sdk_fails(name, urls, read):
    report = asyncio.run(check(HttpEndpoint(urls[name]), urls[name], model="m", only=RULES, runs=1))
    broken = {result.rule for result in report.results if result.broken}

    _, rule = KEEP_ALIVES[name]
    assert (rule in broken) if rule else not broken
    assert all(texts[name] == "Hi there" for texts in read.values()) == (not rule)
