"""An engine of a server: its events, its failures, and its aborts."""

import asyncio
import contextlib
import time

import pytest

from dialects import TOOLS, ask, protocol
from headrace.engines.http import HttpTransport
from headrace.engines.protocols import DIALECTS
from headrace.engines.protocols.dialects import AbortEndpoint
from headrace.engines.upstream import UpstreamEngine
from headrace.errors import DecodeError, EngineError, HeadraceError, IncompleteError, LimitError, RequestError
from headrace.events import Content, Finish
from listening import listen
from scripted_server import Reply, chunk, sse, stream
from waiting import until_async

HELLO = [Content("Hel"), Content("lo")]


async def events_of(engine, generation=None):
    return [event async for events in listen(engine, generation or ask()) for event in events]


async def test_a_stream_becomes_events_and_the_key_is_sent(behind):
    server, engine = behind(Reply(stream("Hel", "lo")))
    events = await events_of(engine)

    assert events[:2] == HELLO
    assert events[-1].reason == "stop"
    assert server.asked[0].path.endswith("/chat/completions")
    assert server.asked[0].headers["authorization"] == "Bearer the-key"
    assert server.asked[0].headers["accept-encoding"] == "identity"


async def test_the_events_of_one_read_are_one_list(behind):
    _, engine = behind(Reply([b"".join(stream("Hel", "lo"))]))

    assert [len(events) async for events in listen(engine, ask())] == [3]


async def test_a_call_that_is_buffered_until_it_is_complete_has_heartbeats(behind):
    start = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "get_time", "arguments": '{"a":"'}}]}
    more = {"tool_calls": [{"index": 0, "function": {"arguments": "x"}}]}
    pieces = [sse(chunk(delta=delta)) for delta in (start, more, more)]
    last = {"tool_calls": [{"index": 0, "function": {"arguments": '"}'}}]}
    end = sse(chunk(delta=last)) + sse(chunk(finish_reason="tool_calls")) + sse("[DONE]")
    _, engine = behind(
        Reply([b": waiting\n\n", 0.02, *(part for piece in pieces for part in (piece, 0.02)), end])
    )

    *heartbeats, end = [events async for events in listen(engine, ask(tools=TOOLS))]
    assert len(heartbeats) > 1
    assert not any(heartbeats)
    assert [type(event).__name__ for event in end] == ["ToolCallStart", "ToolCallEnd", "Finish"]


@pytest.mark.parametrize("status", [200, 401, 404, 405])
async def test_a_check_succeeds_if_the_server_responds_even_if_it_lists_no_models(behind, status):
    _, engine = behind(Reply(b"{}", status))

    await engine.check()


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_check_fails_on_a_server_error(behind, status):
    _, engine = behind(Reply(b"{}", status))

    with pytest.raises(EngineError):
        await engine.check()


async def test_a_connection_is_reused(behind):
    server, engine = behind(Reply(stream("Hi")))
    for _ in range(3):
        await events_of(engine)

    assert len({asked.connection for asked in server.asked}) == 1


async def test_a_connection_is_reused_even_if_the_end_of_the_body_is_late(behind):
    server, engine = behind(Reply([*stream("Hi"), 0.05]))
    for _ in range(2):
        await events_of(engine)

    assert len({asked.connection for asked in server.asked}) == 1


async def test_two_concurrent_requests_have_two_connections(behind):
    server, engine = behind(Reply([*stream("Hel"), 0.05]))
    await asyncio.gather(events_of(engine), events_of(engine))

    assert len({asked.connection for asked in server.asked}) == 2


@pytest.mark.parametrize(
    ("reply", "expected", "message"),
    [
        (Reply(b'{"error":{"code":"1302","message":"slow down"}}', 429, {"retry-after": "7"}), (LimitError, "1302", 429), "slow down"),
        (Reply(b"{}", 429), (LimitError, "1305", 429), "busy"),
        (Reply(b"overloaded", 503, {"retry-after": "2"}), (LimitError, "1305", 429), "overloaded"),
        (Reply(b'{"error":{"message":"no such key"}}', 401), (EngineError, "1234", 500), "SERVER_KEY"),
        (Reply(b'{"error":{"message":"top_k must be positive","code":400}}', 400), (RequestError, "1214", 400), "top_k must be positive"),
        (Reply(b'{"error":{"code":"1210","message":"odd"}}', 400), (RequestError, "1210", 400), "odd"),
        (Reply(b'{"object":"error","message":"maximum context length is 9 tokens","code":400}', 400), (RequestError, "1261", 400), "9 tokens"),
        (Reply(b'{"detail":[{"loc":["body"],"msg":"bad"}]}', 422), (RequestError, "1214", 400), "bad"),
        (Reply(b'{"error":"model not found"}', 404), (EngineError, "1234", 500), "upstream_model"),
        (Reply(b"<html><head><title>x</title></head><body><h1>502</h1> Bad Gateway</body></html>", 502, {"content-type": "text/html"}), (EngineError, "1234", 500), "502 Bad Gateway"),
        (Reply(b"<html><body>Log in</body></html>", 200, {"content-type": "text/html"}), (EngineError, "1234", 500), "Log in"),
        (Reply(b'{"error":{"message":"CUDA out of memory","code":500}}', 500), (EngineError, "1234", 500), "CUDA"),
        (Reply(b'{"error":{"code":"1305","message":"overloaded"}}', 200), (LimitError, "1305", 429), "overloaded"),
        (Reply(b'{"code":500,"msg":"404 NOT_FOUND","success":false}', 200), (EngineError, "1234", 500), "404 NOT_FOUND"),
        (Reply(b'[{"error":{"code":400,"message":"top_k is odd"}}]', 400), (RequestError, "1214", 400), "request: top_k is odd"),
        (Reply(b"[" * 50_000, 500), (EngineError, "1234", 500), "status 500"),
        (Reply([b'data: {"error":' + b"[" * 50_000 + b"]" * 50_000 + b"}\n\n"]), (DecodeError, "1234", 500), "cannot be decoded"),
        (Reply(b"", 200), (EngineError, "1234", 500), "no reason given"),
        (Reply([sse({"error": {"code": 503, "message": "engine died"}})]), (EngineError, "1221", 503), "engine died"),
        (Reply([sse({"message": "too late"}, event="error")]), (EngineError, "1234", 500), "too late"),
        (Reply([b'{"error":{"message":"no prefix"}}\n']), (EngineError, "1234", 500), "no prefix"),
        (Reply([sse("not JSON")]), (DecodeError, "1234", 500), "not JSON"),
        (Reply([sse("[DONE]")]), (IncompleteError, "1234", 500), "without a finish reason"),
        (Reply([b""]), (IncompleteError, "1234", 500), "without a finish reason"),
        (Reply([sse({"error": {"type": "invalid_request_error", "code": "tool_use_failed", "status_code": 400, "message": "no such tool"}}, event="error")]), (RequestError, "1214", 400), "no such tool"),
        (Reply([sse({"error": {"type": "rate_limit_exceeded", "message": "too fast"}})]), (LimitError, "1305", 429), "too fast"),
        (Reply([sse({"error": {"code": "Rate_Limited", "message": "too fast"}})]), (LimitError, "1305", 429), "too fast"),
        (Reply([b'error: {"detail":1,"error":{"message":"failed to decode, try increasing context size"}}\n\n']), (EngineError, "1234", 500), "status 500: failed to decode"),
        (Reply(b'{"choices":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}'), (EngineError, "1234", 500), "insufficient balance"),
        (Reply(b'{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}'), (EngineError, "1234", 500), "500: insufficient balance"),
        (Reply([b"Internal error\n"], 200, {"content-type": "application/json"}), (EngineError, "1234", 500), "Internal error"),
        (Reply(b"", 307, {"location": "http://elsewhere/"}), (EngineError, "1234", 500), "307"),
    ],
)  # fmt: skip
async def test_an_error_response_is_mapped_and_the_next_request_succeeds(behind, reply, expected, message):
    _, engine = behind(reply, Reply(stream("Hel", "lo")))
    with pytest.raises(HeadraceError, match=message) as caught:
        await events_of(engine)

    assert (type(caught.value), caught.value.code, caught.value.status) == expected
    assert (await events_of(engine))[:2] == HELLO
    assert engine.running == 0


async def test_retry_after_is_passed_on_up_to_a_day(behind):
    _, engine = behind(
        Reply(b"{}", 429, {"retry-after": "7"}),
        Reply(b"{}", 429, {"retry-after": "Wed, 21 Oct 2065 07:28:00 GMT"}),
        Reply(b"{}", 429, {"retry-after": "-5"}),
        Reply(b"{}", 429, {"retry-after": "1e400"}),
        Reply(b"{}", 429, {"retry-after": "soon"}),
    )
    waits = []
    for _ in range(5):
        with pytest.raises(LimitError) as caught:
            await events_of(engine)
        waits.append(caught.value.retry_after)

    assert waits == [7, 86_400, 0, 86_400, 1]


@pytest.mark.parametrize("url", ["", "gpu1", "gpu1:8000", "http://", "ftp://gpu1/v1", "http://gpu1:99999/v1"])
def test_an_invalid_url_is_rejected_with_an_example(url):
    with pytest.raises(RequestError, match="http://gpu1:8000/v1") as caught:
        HttpTransport(url)

    assert f'"{url}"' in caught.value.message


async def test_an_unreachable_server_is_an_error_that_names_the_url():
    engine = UpstreamEngine(HttpTransport("http://user:secret@127.0.0.1:9/v1"), protocol("chat"))
    with pytest.raises(EngineError, match=r"http://127.0.0.1:9/v1 is unreachable") as caught:
        await events_of(engine)
    await engine.close()

    assert (caught.value.code, caught.value.status) == ("1221", 503)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (Reply(stream("Hel", "lo")[:2], end="cut"), "lost"),
        (Reply(stream("Hel", "lo")[:2]), "without a finish reason"),
        (Reply([*stream("Hel", "lo")[:2], sse("\x00{")]), "cannot be decoded"),
        (Reply([*stream("Hel", "lo")[:2], b"data: {\xff}\n\n"]), "cannot be decoded"),
        (Reply([*stream("Hel", "lo")[:2], sse({"error": {"message": "lost the GPU"}})]), "lost the GPU"),
        (Reply([b"".join(stream("Hel", "lo")[:2]) + sse({"error": "lost the GPU"})]), "lost the GPU"),
    ],
)
async def test_the_events_before_a_failure_are_emitted(behind, broken, error):
    _, engine = behind(broken, Reply(stream("Hel", "lo")))
    received = []
    with pytest.raises((EngineError, DecodeError), match=error):
        async for events in listen(engine, ask()):
            received += events

    assert received == HELLO
    assert (await events_of(engine))[:2] == HELLO


async def test_a_connection_lost_after_the_finish_reason_is_no_error(behind):
    _, engine = behind(Reply([sse(chunk("Hi")), sse(chunk(finish_reason="stop"))], end="cut"))

    assert [type(event) for event in await events_of(engine)] == [Content, Finish]


@pytest.mark.parametrize("status", [200, 201, 206])
@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json", "text/plain"])
async def test_a_stream_is_read_whatever_its_type_and_its_successful_status(behind, status, content_type):
    _, engine = behind(Reply(stream("Hel", "lo"), status, {"content-type": content_type}))
    events = await events_of(engine)

    assert (events[:2], events[-1].reason) == (HELLO, "stop")


async def test_output_after_a_finish_reason_is_waited_for_without_a_limit(behind, monkeypatch):
    monkeypatch.setattr("headrace.engines.upstream._TRAILER_SECONDS", 0.3)
    first = [sse(chunk("Hel", finish_reason="stop")), 0.02, sse(chunk("l")), 0.6, *stream("o")]
    _, engine = behind(Reply(first))

    assert "".join(event.text for event in await events_of(engine) if isinstance(event, Content)) == "Hello"


async def test_a_stall_after_the_finish_reason_is_not_waited_for(behind, monkeypatch):
    monkeypatch.setattr("headrace.engines.upstream._TRAILER_SECONDS", 0.1)
    _, engine = behind(Reply([sse(chunk("Hi")), sse(chunk(finish_reason="stop")), 60.0]))
    began = time.perf_counter()

    assert (await events_of(engine))[-1].reason == "stop"
    assert time.perf_counter() - began < 30


@pytest.mark.parametrize("reply", [Reply([sse(chunk("Hi"))], end="hold"), Reply([b": on\n\n"], end="hold")])
async def test_a_cancel_closes_the_connection(behind, reply):
    server, engine = behind(reply)
    task = asyncio.create_task(events_of(engine))
    await until_async(lambda: server.asked)
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await asyncio.to_thread(server.gone.wait, 5)
    assert engine.running == 0


async def test_closing_the_generator_closes_the_connection(behind):
    server, engine = behind(Reply([sse(chunk("Hi"))], end="hold"))
    generation = listen(engine, ask())
    await anext(generation)
    await generation.aclose()

    assert await asyncio.to_thread(server.gone.wait, 5)


@pytest.mark.parametrize("kind", ["chat", "completions"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_cancel_is_sent_to_the_abort_endpoint_of_the_dialect(behind, dialect, kind):
    endpoint = DIALECTS[dialect].abort
    hello = chunk("Hi") | {"choices": [{"index": 0, "text": "Hi", "delta": {"content": "Hi"}}]}
    server, engine = behind(Reply([sse(hello)], end="hold"), Reply(b""), kind=kind, dialect=dialect)
    generation = listen(engine, ask())
    await anext(generation)
    await generation.aclose()
    request, *aborts = server.asked

    assert await asyncio.to_thread(server.gone.wait, 5)
    if endpoint is None:
        assert aborts == []
    else:
        (abort,) = aborts
        assert abort.path == endpoint.path
        assert abort.body == {endpoint.id_field: request.body[endpoint.id_field]}
        assert abort.body[endpoint.id_field]


def test_sglang_alone_has_an_abort_endpoint():
    assert {name: dialect.abort for name, dialect in DIALECTS.items() if dialect.abort} == {
        "sglang": AbortEndpoint("/abort_request", "rid")
    }


@pytest.mark.parametrize("reply", [Reply(b"", 401), Reply(b"", end="cut"), Reply([60.0])])
async def test_an_abort_that_fails_does_not_keep_the_connection_open(behind, monkeypatch, reply):
    monkeypatch.setattr("headrace.engines.abort._ABORT_SECONDS", 0.1)
    server, engine = behind(Reply([sse(chunk("Hi"))], end="hold"), reply, dialect="sglang")
    generation = listen(engine, ask())
    await anext(generation)
    await generation.aclose()

    assert await asyncio.to_thread(server.gone.wait, 5)
    assert engine.running == 0


async def test_a_finished_generation_is_not_aborted(behind):
    server, engine = behind(Reply(stream("Hi")), dialect="sglang")
    await events_of(engine)

    assert len(server.asked) == 1


async def test_calls_of_a_server_that_parses_are_events(behind):
    call = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "get_time", "arguments": "{}"}}]}
    _, engine = behind(Reply([sse(chunk(delta=call)), sse(chunk(finish_reason="tool_calls")), sse("[DONE]")]))
    events = await events_of(engine, ask(tools=TOOLS))

    assert [type(event).__name__ for event in events] == [
        "ToolCallStart",
        "ToolCallEnd",
        "Finish",
    ]


async def test_an_idle_connection_that_the_server_closed_is_replaced():
    connections = []

    async def answer_once(reader, writer):
        connections.append(asyncio.current_task())
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            for body in (b"".join(stream("Hi")), b""):
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
                if body:
                    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
                    writer.write(head % len(body) + body)

    server = await asyncio.start_server(answer_once, "127.0.0.1", 0)
    transport = HttpTransport(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    engine = UpstreamEngine(transport, protocol("chat"))
    answers = [(await events_of(engine))[0] for _ in range(4)]
    await engine.close()
    await asyncio.wait(connections)
    server.close()

    assert answers == [Content("Hi")] * 4
    assert len(connections) == 4


async def test_an_endless_error_page_is_read_up_to_64_kib(behind):
    _, engine = behind(Reply([b"<p>no</p>", *[b"x" * 16_384] * 8], status=500, end="hold"))

    with pytest.raises(EngineError, match="failed with status 500: no xxx"):
        await events_of(engine)


@pytest.mark.interpreted
async def test_an_answer_that_is_not_a_stream_has_a_bound(behind, monkeypatch):
    monkeypatch.setattr("headrace.engines.upstream._MAX_WHOLE", 100_000)
    body = [b'{"choices": [{"message": {"content": "', *[b"x" * 16_384] * 8]
    _, engine = behind(Reply(body, headers={"content-type": "application/json"}, end="hold"))

    with pytest.raises(EngineError, match="more than 100000 bytes"):
        await events_of(engine)


async def test_a_chunk_of_more_calls_than_any_model_makes_is_refused(behind):
    calls = [{"index": n, "id": f"c{n}", "function": {"name": "f", "arguments": "{}"}} for n in range(1025)]
    _, engine = behind(Reply([sse(chunk(delta={"tool_calls": calls}))]))

    with pytest.raises(EngineError, match="1025 tool calls"):
        await events_of(engine)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"echo: Bearer the-key", status=500),
        Reply([b"data: Authorization: Bearer the-key\n\n"]),
        Reply([b"data: " + b"x" * 72 + b"the-key\n\n"]),
        Reply([b"Authorization: Bearer the-key\n\n"]),
        Reply([sse("Bearer the-key", event="error")]),
    ],
)
async def test_a_failure_is_logged_with_its_address_which_clients_do_not_get(behind, caplog, reply):
    server, engine = behind(reply)

    with pytest.raises(HeadraceError) as raised:
        await events_of(engine)

    assert server.url not in raised.value.public
    assert server.url in caplog.text or isinstance(raised.value, DecodeError)
    assert "the-key" not in caplog.text + raised.value.public
