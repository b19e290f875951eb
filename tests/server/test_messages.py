"""The Messages API over HTTP: answers, errors, resuming, and what Claude Code and the SDKs need around it."""

import json
import socket
import threading

import pytest

from headrace.engines import ScriptedEngine
from headrace.errors import EngineError, LimitError, RequestError
from headrace.events import Content, Finish, Progress, TokenUsage
from headrace.options import OptionError
from headrace.sse import SseDecoder
from headrace.wire.messages import fold_message
from listening import GeneratedEngine
from message_grammar import violations
from replicas import RESUMABLE, replica
from turn_stores import memory, redis_server, shared, store_kind, store_name
from waiting import until_async
from wire_client import CALL, CHAT, HELLO, WEATHER, chunks_of, deltas

__all__ = ["redis_server", "replica", "store_kind", "store_name"]

MESSAGES = "/api/anthropic/v1/messages"
PATHS = [MESSAGES, "/v1/messages"]
ASK = {"model": "glm-4.6", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
TOOL = {"name": "get_weather", "input_schema": WEATHER["function"]["parameters"]}
THINKING = {"thinking": {"type": "adaptive"}}
CALLING = {**ASK, **THINKING, "tools": [TOOL]}


def decode(body):
    events = SseDecoder().feed(body)
    data = [json.loads(event.data) for event in events]
    assert [event.event for event in events] == [one["type"] for one in data]
    return data


def stream(client, path=MESSAGES, headers=(), **fields):
    response = client.post(path, json={**ASK, "stream": True, **fields}, headers=dict(headers))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    data = decode(response.content)
    assert violations(data) == []
    return data


def error_of(response):
    body = response.json()
    assert body["type"] == "error"
    assert response.headers["request-id"] == response.headers["x-request-id"]
    return response.status_code, body["error"]["type"], body["error"]["message"]


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_with_thinking_text_and_a_call(serve, path):
    client = serve(ScriptedEngine(CALL, piece=3))
    response = client.post(
        path, json=CALLING, headers={"anthropic-version": "2026-10-21", "anthropic-beta": "x"}
    )
    whole = response.json()
    streamed = fold_message(stream(client, path, **CALLING))

    thinking, text, call = whole["content"]
    assert (thinking["type"], thinking["thinking"], bool(thinking["signature"])) == (
        "thinking",
        "Weather.",
        True,
    )
    assert text == {"type": "text", "text": "Let me see."}
    assert (call["type"], call["name"], call["input"]) == ("tool_use", "get_weather", {"location": "北京"})
    assert (whole["type"], whole["role"], whole["model"]) == ("message", "assistant", "glm-4.6")
    assert (whole["stop_reason"], whole["stop_sequence"]) == ("tool_use", None)
    assert whole["usage"]["output_tokens"] == -(-len(CALL) // 3)
    assert response.headers["request-id"] == whole["id"].removeprefix("msg_")
    for message in (whole, streamed):  # what differs in every answer
        message["content"][0].pop("signature")
        message["content"][2].pop("id")
        message.pop("id")
    assert streamed == whole


def test_arguments_are_streamed_as_they_are_generated(serve):
    data = stream(serve(ScriptedEngine(CALL, piece=1)), **CALLING)
    pieces = [one["delta"]["partial_json"] for one in data if one.get("delta", {}).get("partial_json")]

    assert json.loads("".join(pieces)) == {"location": "北京"}
    assert len(pieces) > 3


@pytest.mark.parametrize(
    ("reason", "stop_reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("model_context_window_exceeded", "model_context_window_exceeded"),
        ("sensitive", "refusal"),
    ],
)
def test_stop_reasons(serve, reason, stop_reason):
    client = serve(ScriptedEngine([Content("Hi"), Finish(reason, TokenUsage(7, 1))]))
    assert client.post(MESSAGES, json=ASK).json()["stop_reason"] == stop_reason
    assert stream(client)[-2]["delta"]["stop_reason"] == stop_reason


class Counting(GeneratedEngine):
    """Reports the length of the prompt before the answer."""

    async def generate(self, generation):
        yield [Progress(0, 300), Progress(300, 300)]
        yield [Content("Hi"), Finish("stop", TokenUsage(300, 1, cached=200))]


def test_the_start_of_a_message_has_the_true_number_of_input_tokens(serve):
    data = stream(serve(Counting()))

    used = {"cache_creation_input_tokens": 0, "output_tokens": 0}
    assert data[0]["message"]["usage"] == {**used, "input_tokens": 300, "cache_read_input_tokens": 0}
    expected = {**used, "input_tokens": 100, "cache_read_input_tokens": 200, "output_tokens": 1}
    assert data[-2]["usage"] == expected


class Waiting(GeneratedEngine):
    """Is silent until the client has received a ping."""

    def __init__(self):
        self.has_ping = threading.Event()

    async def generate(self, generation):
        await until_async(self.has_ping.is_set)
        yield [Content("Hi"), Finish("stop")]


def test_a_silence_has_the_start_of_the_message_and_pings(serve, monkeypatch):
    monkeypatch.setattr("headrace.server.stream.FIRST_BYTES", 0.02)
    engine, body = Waiting(), b""
    client = serve(engine, keep_alive_interval=0.05)
    with client.stream("POST", MESSAGES, json={**ASK, "stream": True}) as response:
        for piece in response.iter_raw():
            body += piece
            if b"event: ping" in body:
                engine.has_ping.set()

    kinds = [one["type"] for one in decode(body)]
    assert violations(decode(body)) == []
    assert kinds[:2] == ["message_start", "ping"]
    assert kinds[-1] == "message_stop"


@pytest.mark.parametrize("given", ["claude-opus-5-5", "Claude-Haiku-4-5[1m]", "glm-4.6[1m]", "GLM-4.6"])
def test_names_of_anthropics_models_are_the_first_model(serve, given):
    answer = serve(ScriptedEngine("Hi")).post(MESSAGES, json={**ASK, "model": given})
    assert answer.status_code == 200, answer.text


def test_names_can_be_those_of_other_models(serve):
    client = serve(ScriptedEngine("Hi"), claude_models=("claude-haiku-*=headrace-tiny",))

    assert client.post(MESSAGES, json={**ASK, "model": "claude-haiku-5-5"}).json()["model"] == "glm-4.6"
    assert error_of(client.post(MESSAGES, json={**ASK, "model": "claude-opus-5-5"}))[0] == 404


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RequestError("no"), (400, "invalid_request_error", "no")),
        (EngineError("no"), (500, "api_error", "no")),
        (EngineError("no", code="1221"), (503, "overloaded_error", "no")),
        (EngineError("no", status=504), (504, "timeout_error", "no")),
        (LimitError("no", code="1305"), (529, "overloaded_error", "no")),
        (LimitError("no", code="1302"), (429, "rate_limit_error", "no")),
    ],
)
def test_an_error_before_the_first_event_has_anthropics_form_and_status(serve, error, expected, streamed):
    response = serve(ScriptedEngine([error])).post(MESSAGES, json={**ASK, "stream": streamed})
    assert error_of(response) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "messages: the prompt has more than 4096 tokens, the model's context length",
            "4097 tokens > 4096 maximum",
        ),
        (
            "This model's maximum context length is 4096 tokens, but your prompt has 5000 input tokens.",
            "5000 tokens > 4096 maximum",
        ),
        ("9000 tokens; this model's maximum context length is 8192 tokens", "9000 tokens > 8192 maximum"),
        (
            "messages has 70 messages, parts and calls, but the model's context has 64 tokens",
            "65 tokens > 64 maximum",
        ),
        ("too much", "too much"),
    ],
)
def test_a_prompt_that_is_too_long_has_the_words_after_which_clients_shorten_it(serve, message, expected):
    client = serve(ScriptedEngine([RequestError(message, code="1261")]))
    status, kind, got = error_of(client.post(MESSAGES, json=ASK))

    assert (status, kind) == (400, "invalid_request_error")
    assert got.startswith(f"prompt is too long: {expected}")


def test_an_error_in_mid_stream_is_the_last_event(serve):
    data = stream(serve(ScriptedEngine(["Hi", EngineError("lost")])))
    assert data[-1] == {"type": "error", "error": {"type": "api_error", "message": "lost"}}


def test_a_client_is_never_asked_to_wait_for_longer_than_it_would(serve):
    busy = serve(ScriptedEngine([LimitError("no", code="1302", retry_after=300)]))
    assert busy.post(MESSAGES, json=ASK).headers.get_list("retry-after") == ["59"]
    assert busy.post(CHAT, json=HELLO).headers["retry-after"] == "300"


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", MESSAGES, {**ASK, "model": "unknown"}, (404, "not_found_error")),
        ("POST", MESSAGES, {**ASK, "messages": []}, (400, "invalid_request_error")),
        ("POST", f"{MESSAGES}/count_tokens", {}, (400, "invalid_request_error")),
        ("GET", MESSAGES, None, (405, "invalid_request_error")),
        ("GET", f"{MESSAGES}/msg_unknown", None, (404, "not_found_error")),
        ("POST", f"{MESSAGES}/batches", {"requests": []}, (400, "invalid_request_error")),
        ("GET", "/v1/messages/batches/1", None, (404, "not_found_error")),
        ("GET", "/api/anthropic/v1/models/unknown", None, (404, "not_found_error")),
        ("POST", "/api/anthropic/v1/files", {}, (404, "not_found_error")),
    ],
)
def test_other_errors(serve, method, path, body, expected):
    client = serve(ScriptedEngine("Hi"))
    assert error_of(client.request(method, path, json=body))[:2] == expected


def test_a_body_that_is_not_json(serve):
    response = serve(ScriptedEngine("Hi")).post(
        MESSAGES, content=b"{", headers={"content-type": "application/json"}
    )
    assert error_of(response)[:2] == (400, "invalid_request_error")


def test_an_image_for_a_model_without_images_has_the_words_after_which_clients_drop_it(serve):
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    content = [{"type": "image", "source": source}]
    response = serve(ScriptedEngine("Hi")).post(
        MESSAGES, json={**ASK, "messages": [{"role": "user", "content": content}]}
    )
    status, kind, message = error_of(response)
    assert (status, kind) == (400, "invalid_request_error")
    assert message.startswith("Could not process image")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer id.secret"}, 200),
        ({"x-api-key": "id.secret"}, 200),
        ({"authorization": "Bearer wrong", "x-api-key": "id.secret"}, 200),
        ({"authorization": "Bearer id.secret", "x-api-key": "wrong"}, 200),
        ({"authorization": "Bearer wrong", "x-api-key": "wrong"}, 401),
        ({}, 401),
    ],
)
def test_a_key_can_be_in_either_header(serve, headers, status):
    client = serve(ScriptedEngine("Hi"), api_keys=("id.secret",))
    response = client.post(MESSAGES, json=ASK, headers=headers)
    assert response.status_code == status
    if status == 401:
        assert error_of(response)[1] == "authentication_error"


# --- counting, models -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_tokens_are_counted_as_in_the_usage_of_an_answer(serve, path):
    client = serve(ScriptedEngine("Hi"))
    messages = [{"role": "user", "content": "one two three"}]
    request = {"model": "claude-opus-5-5", "messages": messages, "system": "four"}

    counted = client.post(f"{path}/count_tokens?beta=true", json=request)
    used = client.post(path, json={**ASK, **request}).json()["usage"]
    assert counted.json() == {"input_tokens": used["input_tokens"]}


@pytest.mark.parametrize("prefix", ["/v1", "/api/anthropic/v1", "/api/paas/v4"])
def test_one_list_of_models_for_the_clients_of_all_apis(serve, prefix):
    models = serve(ScriptedEngine("Hi")).get(f"{prefix}/models?limit=1000").json()

    first = models["data"][0]
    assert (models["object"], first["object"], first["id"]) == ("list", "model", "glm-4.6")
    assert (first["type"], first["display_name"], first["created_at"][-1]) == ("model", "glm-4.6", "Z")
    assert (models["has_more"], models["first_id"], models["last_id"]) == (False, "glm-4.6", "headrace-tiny")
    required = {
        *("slug", "display_name", "supported_reasoning_levels", "shell_type", "visibility"),
        *("supported_in_api", "priority", "base_instructions", "support_verbosity", "truncation_policy"),
        "experimental_supported_tools",
    }
    assert [one["slug"] for one in models["models"]] == ["glm-4.6", "headrace-tiny"]
    assert required <= models["models"][0].keys()


# --- resuming -------------------------------------------------------------------------------------


def resume(client, id, after=None, path=MESSAGES):
    headers = {} if after is None else {"last-event-id": str(after)}
    response = client.get(f"{path}/{id}", headers=headers)
    assert response.status_code == 200, response.text
    return response.content


def test_a_stream_is_resumed_after_each_id(replica):
    client = replica(ScriptedEngine(CALL, piece=3))
    response = client.post(MESSAGES, json={**CALLING, "stream": True}, headers=RESUMABLE)
    events = SseDecoder().feed(response.content)
    whole = fold_message(decode(response.content))
    ids = [int(event.id or 0) for event in events]

    assert response.headers["x-headrace-turn"] == whole["id"].removeprefix("msg_")
    assert client.get(f"{MESSAGES}/{whole['id']}", headers={"last-event-id": str(ids[-1])}).status_code == 204
    for last in {0, *ids} - {ids[-1]}:
        end = ids.index(last) + 1 if last else 0
        kept = [json.loads(event.data) for event in events[:end]]
        data = kept + decode(resume(client, whole["id"], last))
        assert violations(data) == []
        assert fold_message(data) == whole


@memory
def test_a_stream_that_is_resumed_before_its_end_has_one_end(replica):
    """Another one would be read as the head of the next response."""
    client = replica(ScriptedEngine("Hi"))
    response = client.post(MESSAGES, json={**ASK, "stream": True}, headers=RESUMABLE)
    *_, last, _ = sorted({int(event.id) for event in SseDecoder().feed(response.content) if event.id})
    path = f"{MESSAGES}/{response.headers['x-headrace-turn']}"
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nLast-Event-ID: {last}\r\n\r\n"
        connection.sendall(head.encode())
        received = b"".join(iter(lambda: connection.recv(65536), b""))

    assert received.endswith(b"\r\n0\r\n\r\n")
    assert received.count(b"0\r\n\r\n") == 1


@memory
def test_a_turn_can_be_read_in_either_api(replica):
    client = replica(ScriptedEngine(CALL, piece=3))
    response = client.post(MESSAGES, json={**CALLING, "stream": True}, headers=RESUMABLE)
    id = response.headers["x-headrace-turn"]

    chunks = chunks_of(resume(client, id, path=CHAT))
    assert "".join(deltas(chunks, "content")) == "Let me see."
    again = decode(resume(client, id, path="/v1/messages"))
    assert fold_message(again) == fold_message(decode(response.content))


@shared
def test_another_replica_continues_a_stream_with_the_same_form(replica):
    one, other = (replica(ScriptedEngine(CALL, piece=3)) for _ in range(2))
    request = {**CALLING, "stream": True, "thinking": {"type": "adaptive", "display": "omitted"}}
    response = one.post(MESSAGES, json=request, headers=RESUMABLE)

    again = resume(other, response.headers["x-headrace-turn"])
    assert fold_message(decode(again)) == fold_message(decode(response.content))
    assert fold_message(decode(again))["content"][0]["thinking"] == ""


@memory
def test_delete_returns_the_message_so_far(replica):
    client = replica(ScriptedEngine(["Hi", " there", *["."] * 1000], delay=0.01))
    with client.stream("POST", MESSAGES, json={**ASK, "stream": True}, headers=RESUMABLE) as response:
        pieces = response.iter_raw()
        while b"text_delta" not in next(pieces):
            pass
        cancelled = client.delete(f"{MESSAGES}/msg_{response.headers['x-headrace-turn']}").json()
        rest = b"".join(pieces)

    assert (cancelled["type"], cancelled["stop_reason"]) == ("message", "end_turn")
    assert cancelled["content"][0]["text"].startswith("Hi")
    assert decode(rest)[-1]["type"] == "message_stop"


@pytest.mark.parametrize(
    ("names", "reason"),
    [("claude-*", "not of the form"), ("=glm-4.6", "not of the form"), ("claude-*=unknown", "not served")],
)
def test_an_invalid_name_is_reported_at_the_start(serve, names, reason):
    with pytest.raises(OptionError, match=f"^claude_models: .*{reason}"):
        serve(ScriptedEngine("Hi"), claude_models=(names,))
