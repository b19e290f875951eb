"""The spans of turns, with an exporter in memory: each starts and ends once, whatever becomes of its turn."""

import asyncio
import json
import logging
import threading

import msgspec
import pytest

from continuing_engine import ContinuingEngine
from headrace.engines import ScriptedEngine
from headrace.errors import EngineError
from headrace.telemetry.tracing import Tracing
from headrace.trace_context import TraceContext
from headrace.turns import TurnRegistry
from headrace.wire import decode_request
from plans import planner
from processes import BODY, SCRIPT, die, read
from turn_stores import memory, open_stores, redis_server, settings, shared, store_kind, store_name

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from waiting import until_async

__all__ = ["open_stores", "redis_server", "store_kind", "store_name"]

CLIENT = TraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=1")
TRACE_ID, PARENT_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7


class Process:
    """A server process: a registry, and the spans that it exports when it is closed."""

    def __init__(self, store, engine, exporter, tracing):
        self.exporter = exporter
        self.tracing = tracing
        self.plan = planner(engine)
        self.registry = TurnRegistry(store, self.plan, settings(lease=0.4), (), (self.tracing,))

    async def start(self, body=BODY, *, trace=CLIENT, **kind):
        plan = self.plan(decode_request(body), "me")
        generation = msgspec.structs.replace(plan.generation, trace=trace)
        plan = msgspec.structs.replace(plan, generation=generation)
        return await self.registry.start(plan, **{"resumable": True, **kind})

    async def close(self):
        await self.registry.close()
        await asyncio.sleep(0.01)  # outcomes are reported in the next rounds of the loop
        await self.tracing.close()
        return self.exporter.get_finished_spans()


@pytest.fixture
def process(open_stores):
    async def start(engine, *, contents=False):
        exporter = InMemorySpanExporter()
        tracing = await asyncio.to_thread(Tracing, contents=contents, exporter=exporter)  # it blocks
        return Process(open_stores(lease=0.4), engine, exporter, tracing)

    return start


@pytest.fixture(autouse=True)
def no_error_is_logged(caplog):
    yield
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@memory
@pytest.mark.parametrize("kind", [{}, {"resumable": False}], ids=["resumable", "not"])
async def test_a_span_has_the_attributes_of_the_conventions(process, kind):
    server = await process(ContinuingEngine(SCRIPT))
    body = json.loads(BODY) | {"stream": True, "temperature": 0.5, "top_k": 3, "seed": 5, "stop": ["secret"]}
    turn = await server.start(json.dumps(body).encode(), **kind)
    assert not get_current_span().get_span_context().is_valid
    await read(turn)
    (span,) = await server.close()

    assert (span.name, span.kind) == ("chat glm", SpanKind.SERVER)
    assert (span.context.trace_id, span.parent.span_id, span.links) == (TRACE_ID, PARENT_ID, ())
    assert span.context.trace_state.to_header() == "vendor=1"
    assert span.status.status_code is StatusCode.UNSET
    attributes = dict(span.attributes)
    assert 0 < attributes.pop("gen_ai.response.time_to_first_chunk") < 30
    assert 0 <= attributes.pop("headrace.longest_stall_seconds", 0) < 30
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "headrace",
        "gen_ai.request.model": "glm",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_k": 3.0,
        "gen_ai.request.seed": 5,
        "gen_ai.response.id": turn.id,
        "gen_ai.response.model": "glm",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 27,
        "headrace.key": "me",
        "headrace.outcome": "stop",
    }


@memory
async def test_the_models_server_gets_the_span_as_its_parent(process):
    engine = ContinuingEngine(SCRIPT)
    server = await process(engine)
    await read(await server.start())
    (span,) = await server.close()
    (generation,) = engine.asked

    assert generation.trace == TraceContext(f"00-{TRACE_ID:032x}-{span.context.span_id:016x}-01", "vendor=1")


@memory
async def test_without_a_clients_trace_a_turn_begins_one(process):
    server = await process(ContinuingEngine(SCRIPT))
    turns = [await server.start(trace=None) for _ in range(20)]
    for turn in turns:
        await read(turn)
    spans = await server.close()

    assert (
        len({span.context.trace_id for span in spans}) == len({span.context.span_id for span in spans}) == 20
    )
    assert all(span.parent is None for span in spans)


@memory
async def test_a_client_that_does_not_sample_gets_no_span_but_its_upstream_the_header(process):
    engine = ContinuingEngine(SCRIPT)
    server = await process(engine)
    await read(await server.start(trace=TraceContext(CLIENT.parent[:-2] + "00")))

    assert await server.close() == ()
    assert engine.asked[0].trace.trace_id == CLIENT.trace_id
    assert engine.asked[0].trace.parent.endswith("-00")


@memory
@pytest.mark.parametrize(
    ("script", "outcome", "status"),
    [
        (["Hi", EngineError("lost")], "engine_error", StatusCode.ERROR),
        ([EngineError("silence", status=504)], "engine_timeout", StatusCode.ERROR),
    ],
)
async def test_a_failure_is_the_status(process, script, outcome, status):
    server = await process(ScriptedEngine(script))
    turn = await server.start()
    reader = turn.reader()
    await until_async(lambda: turn.log.is_finished)
    reader.close()
    (span,) = await server.close()

    assert span.attributes["headrace.outcome"] == span.attributes["error.type"] == outcome
    assert (span.status.status_code, span.status.description) == (status, script[-1].message)


@memory
async def test_contents_only_on_request(process):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "sesame"}]}).encode()
    exported = []
    for contents in (False, True):
        server = await process(ScriptedEngine("<think>open</think>sesame"), contents=contents)
        await read_text(await server.start(body))
        exported += await server.close()
    without, with_contents = exported

    assert "sesame" not in without.to_json()
    assert json.loads(with_contents.attributes["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "sesame"}]}
    ]
    assert json.loads(with_contents.attributes["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "open"}, {"type": "text", "content": "sesame"}],
            "finish_reason": "stop",
        }
    ]


async def read_text(turn):
    reader = turn.reader()
    await until_async(lambda: turn.log.is_finished)
    reader.close()


@shared
async def test_turns_of_a_process_that_died_get_a_new_span_with_a_link(process):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(3)
    first, second = await process(engine), await process(ContinuingEngine(SCRIPT))
    turns = [await first.start() for _ in range(20)]
    await until_async(lambda: all(turn.log.count == 3 for turn in turns))
    started = {turn.id: turn.trace for turn in turns}
    die(first.registry)

    async def take_over(turn):
        assert (await read(await second.registry.find(turn.id, "me")))[0] == SCRIPT

    await asyncio.gather(*map(take_over, turns))
    spans = await second.close()

    assert sorted(span.attributes["gen_ai.response.id"] for span in spans) == sorted(started)
    for span in spans:
        (link,) = span.links
        before = started[span.attributes["gen_ai.response.id"]].parent
        assert f"00-{link.context.trace_id:032x}-{link.context.span_id:016x}-01" == before
        assert (span.context.trace_id, span.parent.span_id) == (TRACE_ID, PARENT_ID)
        assert span.context.span_id != link.context.span_id
        assert span.attributes["headrace.outcome"] == "stop"
        assert span.attributes["gen_ai.usage.output_tokens"] == 27


@shared
async def test_a_turn_that_is_handed_over_has_two_spans_that_are_linked(process):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(3)
    first, second = await process(engine), await process(ContinuingEngine(SCRIPT))
    turn = await first.start(trace=None)
    await until_async(lambda: turn.log.count == 3)
    await first.registry.hand_over()
    await read(await second.registry.find(turn.id, "me"))
    (before,), (after,) = await first.close(), await second.close()

    assert before.attributes["headrace.outcome"] == "handed_over"
    assert after.attributes["headrace.outcome"] == "stop"
    assert [link.context.span_id for link in after.links] == [before.context.span_id]
    assert after.context.trace_id == before.context.trace_id


def test_an_exporter_that_does_not_respond_does_not_delay_the_end_and_may_respond_after_it(monkeypatch):
    monkeypatch.setattr("headrace.telemetry.tracing._EXPORT_TIMEOUT", 0.05)
    tracing = Tracing(contents=False, exporter=InMemorySpanExporter())
    responds = threading.Event()
    monkeypatch.setattr(tracing._provider, "shutdown", lambda: responds.wait(30))
    asyncio.run(tracing.close())
    (export,) = [thread for thread in threading.enumerate() if thread.name == "last export"]
    responds.set()  # the loop is closed: an exception in the thread would fail the test
    export.join(30)

    assert not export.is_alive()
