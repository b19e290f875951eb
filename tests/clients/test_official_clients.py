"""PyPI's own clients against our server: zai-sdk on the programs of Z.ai's pages, openai on its usual ones.

They are in a separate environment (zai-sdk is imported by the same name as our SDK); CI makes one
with `make clients`. Without it these tests are skipped.
"""

import asyncio
import os
import subprocess
from pathlib import Path

import httpx2
import pytest

from headrace.engines import ScriptedEngine
from headrace.events import Finish, Progress, Text, TokenUsage
from headrace.formats import FORMATS
from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from headrace.turns import TurnSettings
from issued_keys import MASTER, issue
from listening import GeneratedEngine

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients/bin/python"
KEY = "client.secret"

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="`make clients` has not been run")

OPENAI = """
from openai import OpenAI
client = OpenAI()
with client.chat.completions.stream(
    model="glm-4.6", messages=[{"role": "user", "content": "Write a poem about spring"}]
) as stream:
    for event in stream:
        pass
    final = stream.get_final_completion().choices[0]
assert final.finish_reason == "stop", final
tool = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"location": {"type": "string", "description": "城市"}}, "required": ["location"]}}}
pieces = [
    call
    for chunk in client.chat.completions.create(
        model="glm-4.6", messages=[{"role": "user", "content": "北京天气怎么样"}], tools=[tool], stream=True,
        extra_body={"tool_stream": True},
    )
    for call in chunk.choices[0].delta.tool_calls or ()
]
assert pieces[0].function.name == "get_weather" and pieces[0].id
print(final.message.content, "".join(piece.function.arguments for piece in pieces), len(client.models.list().data))
"""

ZHIPU_TOKEN = """
from zai import ZhipuAiClient
client = ZhipuAiClient(disable_token_cache=False)
answer = client.chat.completions.create(model="glm-4.6", messages=[{"role": "user", "content": "你好"}])
print(answer.choices[0].message.content, answer.usage.total_tokens)
"""


CALLS = (
    "\n<think>Two cities.</think>\nLet me see.\n"
    "<tool_call>get_weather\n<arg_key>location</arg_key>\n<arg_value>北京</arg_value>\n</tool_call>"
    "<tool_call>get_time\n</tool_call>"
    "<tool_call>get_weather\n<arg_key>location</arg_key>\n<arg_value>Berlin</arg_value>\n</tool_call>"
)


STREAM = """
from {module} import {client}
stream = {client}().chat.completions.create(
    model="queued", messages=[{{"role": "user", "content": "Hello"}}], stream=True
)
print("".join(chunk.choices[0].delta.content or "" for chunk in stream))
"""


class Queued(GeneratedEngine):
    """Waits in a queue, and reads the prompt slowly."""

    async def generate(self, generation):
        progress = [Progress(0, 0, queued=2), Progress(0, 0, queued=1), Progress(512, 2048)]
        for event in progress:
            yield [event]
            await asyncio.sleep(0.15)
        yield [Text("Hi"), Finish("stop", TokenUsage(2048, 1))]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs a program: zai-sdk has an issued key, openai one of HEADRACE_API_KEYS."""
    turns = TurnSettings(store=f"sqlite:{tmp_path_factory.mktemp('keys')}/turns.db")
    settings = Settings(api_keys=(KEY,), master_key=MASTER, turns=turns, keep_alive_interval=0.05)
    scripted = Model(("calls",), ScriptedEngine(CALLS, piece=3), FORMATS["glm-4.6"], ChatTemplate("Hi"))
    queued = Model(("queued",), Queued(), FORMATS["glm-4.6"], ChatTemplate("Hi"))
    models = ModelRegistry([load_model("", LlamaSettings()), scripted, queued])
    with LocalServer(App(models, settings)) as server:
        environment = {
            "PATH": os.environ["PATH"],
            "ZAI_BASE_URL": f"{server.url}/api/paas/v4",
            "ZAI_API_KEY": issue(turns, "issued"),
            "OPENAI_BASE_URL": f"{server.url}/v1",
            "OPENAI_API_KEY": KEY,
        }

        def run(*arguments):
            command = [str(PYTHON), *map(str, arguments)]
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=60, env=environment, check=False
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        run.url = server.url
        yield run


def test_zai_sdk_streams_the_poem_of_the_page(run):
    shown = run(ROOT / "examples/streaming.py")

    assert "Completion reason: stop" in shown
    assert "Token usage: Input" in shown


def test_zai_sdk_streams_the_tool_call_of_the_page(run):
    shown = run(ROOT / "examples/stream_tool_call.py")

    assert "get_weather" in shown
    assert '{"location":"北京"}' in shown


def test_zai_sdk_is_known_by_its_signed_token(run):
    assert run("-c", ZHIPU_TOKEN).strip()


def test_openai_streams_answers_and_tool_calls(run):
    assert '{"location":"北京"}' in run("-c", OPENAI)


def test_openai_accumulates_a_stream_to_the_whole_answer(run):
    run(HERE / "checks/openai_accumulation.py")


def test_openai_runs_a_tool_loop_on_streams(run):
    answers = run(HERE / "checks/openai_tool_loop.py").splitlines()

    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert "北京" in answers[0]


@pytest.mark.parametrize(("module", "client"), [("zai", "ZaiClient"), ("openai", "OpenAI")])
def test_comments_with_the_position_and_the_progress_are_ignored(run, module, client, monkeypatch):
    for name in ("FIRST_BYTES", "PROGRESS_INTERVAL"):
        monkeypatch.setattr(f"headrace.server.stream.{name}", 0.02)
    body = {"model": "queued", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    raw = httpx2.post(f"{run.url}/v1/chat/completions", json=body, headers={"x-api-key": KEY})

    assert all(comment in raw.content for comment in (b": queued 1\n", b": prefill 512/2048\n"))
    assert run("-c", STREAM.format(module=module, client=client)) == "Hi\n"
