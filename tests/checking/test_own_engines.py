"""Our own server holds the rules of `headrace check` in every API, whatever the engine."""

import asyncio
import json
from contextlib import contextmanager

import pytest

from headrace.checking import RULES, HttpEndpoint, check
from headrace.engines import ScriptedEngine
from headrace.formats import FORMATS
from headrace.models.loading import load_model
from headrace.models.settings import ChatSettings, CompletionsSettings, RecordedSettings
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from headrace_tiny import model_path
from llama_cpp_server import LlamaCppServer
from scripted_server import stream

MEANING = ("finish.length", "usage.limit", "stop.string", "json.", "thinking.", "messages.signature")
"""Rules that depend on what the request asks for, which an engine with a fixed answer does not read."""

TIMES = ("time.", "resume.incremental", "cancel.")
UNTIMED = [rule.id for rule in RULES if not any(part in rule.id for part in TIMES)]
FIXED = [rule for rule in UNTIMED if not any(part in rule for part in MEANING)]


def results(model, rules):
    with LocalServer(App(ModelRegistry([model]), Settings())) as server:
        url = f"{server.url}/v1"
        report = asyncio.run(check(HttpEndpoint(url, timeout=60), url, only=rules, runs=1))
    assert len(report.apis) == 3
    return {result.rule: result for result in report.results}


def broken(found):
    return [result for result in found.values() if result.broken]


def test_the_scripted_engine():
    script = "\n<think>The user wants a poem.</think>\nThe sea 大海🌊 is calm, the sky is wide."
    found = results(
        Model(("glm-4.6",), ScriptedEngine(script), FORMATS["glm-4.6"], ChatTemplate("Hi")), FIXED
    )

    assert broken(found) == []
    assert min(found[rule].observed for rule in ("messages.order", "responses.complete")) > 10


def test_the_recorded_engine(tmp_path):
    head = {"path": "chat/completions", "request": {}, "status": 200, "content_type": "text/event-stream"}
    reads = [{"at": 0.0, "text": frame.decode()} for frame in stream("The sea ", "is calm.")]
    lines = [head, *reads, {"at": 0.0, "end": "whole"}]
    (tmp_path / "poem.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    found = results(load_model("glm-4.6", RecordedSettings(path=tmp_path, speed=0)), FIXED)

    assert broken(found) == []
    assert min(found[rule].observed for rule in ("chunk.id", "messages.order", "responses.complete")) > 10


@contextmanager
def upstream(kind):
    with LlamaCppServer() as server:
        url = (f"{server.url}/v1",)
        if kind == "chat":
            yield load_model("glm-4.6", ChatSettings(url=url, dialect="llama.cpp"))
        else:
            template = str(model_path())
            yield load_model(
                "glm-4.6", CompletionsSettings(url=url, dialect="llama.cpp", chat_template=template)
            )


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["chat", "completions"])
def test_an_upstream(kind):
    with upstream(kind) as model:
        assert broken(results(model, UNTIMED)) == []
