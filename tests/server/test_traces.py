"""Traces over HTTP: from a client's `traceparent` to the spans that a collector gets, and to an upstream."""

import asyncio
import logging
import subprocess
import sys
from collections import Counter

import httpx2
import pytest

from headrace.engines import ScriptedEngine
from headrace.engines.http import HttpTransport
from headrace.engines.protocols import DIALECTS, Chat
from headrace.engines.upstream import UpstreamEngine
from headrace.errors import EngineError, RequestError
from headrace.events import Finish, Text, TokenUsage
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from headrace.telemetry.settings import TelemetrySettings
from listening import GeneratedEngine
from otlp_collector import attributes_of, collector
from replicas import RESUMABLE, TEMPLATE
from scripted_server import Reply, ScriptedServer, stream
from wire_client import CHAT, HELLO

__all__ = ["collector"]

TRACED = TelemetrySettings(traces="otlp")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
STREAMS = 200


class Various(GeneratedEngine):
    """Ends as the prompt requests, after three tokens."""

    async def generate(self, generation):
        yield [Text("a"), Text("b"), Text("c")]
        await asyncio.sleep(0.001)
        if "fail" in generation.prompt:
            raise EngineError("lost")
        if "stop" not in generation.prompt:
            await asyncio.Event().wait()
        yield [Finish("stop", TokenUsage(5, 3))]


async def request(client, number, ending):
    """Open a stream, and let it end this way."""
    headers = {"traceparent": f"00-{TRACE}-{number:016x}-01"} | (RESUMABLE if ending == "delete" else {})
    body = {**HELLO, "stream": True, "messages": [{"role": "user", "content": ending}]}
    async with client.stream("POST", CHAT, json=body, headers=headers) as response:
        turn = response.headers["x-request-id"]
        pieces = response.aiter_raw()
        await anext(pieces)
        if ending == "leave":
            return
        if ending == "delete":
            await client.delete(f"{CHAT}/{turn}")
        async for _ in pieces:
            pass


async def request_all(url, endings):
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits) as client:
        await asyncio.gather(*(request(client, number, ending) for number, ending in endings.items()))


def test_each_of_200_streams_has_one_span_whatever_its_end(collector, caplog):
    caplog.set_level(logging.INFO, "headrace")
    outcomes = {
        "stop": "stop",
        "fail": "engine_error",
        "leave": "client_disconnect",
        "delete": "cancelled",
    }
    endings = {number: list(outcomes)[number % 4] for number in range(1, STREAMS + 1)}
    model = Model(("glm-4.6",), Various(), FORMATS["glm-4.6"], ChatTemplate(TEMPLATE))
    app = App(ModelRegistry([model]), Settings(telemetry=TRACED))
    with LocalServer(app) as server:
        asyncio.run(request_all(server.url, endings))

    spans = {int.from_bytes(span.parent_span_id, "big"): span for span in collector.spans}
    assert len(collector.spans) == len(spans) == STREAMS
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    lines = {r.turn: r.outcome for r in caplog.records if hasattr(r, "outcome")}
    for number, ending in endings.items():
        attributes = attributes_of(spans[number])
        assert attributes["headrace.outcome"] == outcomes[ending]
        assert attributes["gen_ai.usage.output_tokens"] == 3
        assert lines[attributes["gen_ai.response.id"]] == outcomes[ending]  # the same word in the log
    assert Counter(lines.values()) == dict.fromkeys(outcomes.values(), STREAMS // 4)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("traces", ["off", "otlp"])
def test_an_upstream_gets_the_trace_and_the_id_of_the_turn(collector, serve, traces):
    with ScriptedServer(Reply(stream("Hi"))) as upstream:
        transport = HttpTransport(upstream.url)
        engine = UpstreamEngine(transport, Chat(DIALECTS["openai"], transport.upstream, model="m"))
        client = serve(engine, telemetry=TelemetrySettings(traces=traces))
        headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "tracestate": "vendor=1"}
        traced = client.post(CHAT, json=HELLO, headers={**headers, "x-request-id": "mine"})
        client.post(CHAT, json=HELLO, headers={"traceparent": "00-nonsense"})
    first, second = (asked.headers for asked in upstream.asked)

    assert first["x-request-id"] == traced.headers["x-request-id"] != "mine"
    assert first["tracestate"] == "vendor=1"
    if traces == "off":
        assert first["traceparent"] == headers["traceparent"]
        assert "traceparent" not in second
    else:
        assert first["traceparent"].startswith(f"00-{TRACE}-")
        assert first["traceparent"] != headers["traceparent"]
        assert second["traceparent"].startswith("00-")
        assert TRACE not in second["traceparent"]


@pytest.mark.parametrize("traces", ["off", "otlp"])
@pytest.mark.parametrize("forwards", [False, True])
def test_an_upstream_gets_the_headers_of_a_mesh_if_it_is_to(collector, serve, traces, forwards):
    mesh = {
        "x-request-id": "mine",
        "x-gateway-inference-objective": "batch",
        "x-gateway-inference-fairness-id": "a",
    }
    others = {"cookie": "a=1", "x-other": "1", "x-api-key": "2"}
    with ScriptedServer(Reply(stream("Hi"))) as upstream:
        transport = HttpTransport(upstream.url)
        protocol = Chat(DIALECTS["openai"], transport.upstream, model="m")
        engine = UpstreamEngine(transport, protocol, forwards_mesh=forwards)
        client = serve(engine, telemetry=TelemetrySettings(traces=traces))
        response = client.post(CHAT, json=HELLO, headers={**mesh, **others})
    (asked,) = upstream.asked

    assert not others.keys() & asked.headers.keys()
    expected = mesh if forwards else {"x-request-id": response.headers["x-request-id"]}
    assert {name: value for name, value in asked.headers.items() if name in mesh} == expected


def test_a_rejected_request_has_no_content_in_its_span(collector):
    engine = ScriptedEngine([RequestError("messages: sesame is not allowed")])
    model = Model(("glm-4.6",), engine, FORMATS["glm-4.6"], ChatTemplate(TEMPLATE))
    with LocalServer(App(ModelRegistry([model]), Settings(telemetry=TRACED))) as server:
        body = {**HELLO, "messages": [{"role": "user", "content": "sesame"}], "stop": ["sesame"]}
        response = httpx2.post(f"{server.url}{CHAT}", json=body, trust_env=False)

    assert response.status_code == 400
    assert [attributes_of(span)["headrace.outcome"] for span in collector.spans] == ["rejected"]
    assert b"sesame" not in collector.received


def test_without_the_extra_the_option_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    monkeypatch.delitem(sys.modules, "headrace.telemetry.tracing", raising=False)

    with pytest.raises(EngineError, match=r"opentelemetry is not installed; install headrace\[otel\]"):
        App(ModelRegistry([]), Settings(telemetry=TRACED))


def test_without_the_option_nothing_of_opentelemetry_is_imported():
    program = (
        "import sys; from headrace.server import App, ModelRegistry, Settings;"
        " App(ModelRegistry([]), Settings()); print([name for name in sys.modules if 'opentelemetry' in name])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"
