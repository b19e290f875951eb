import httpx2
import pytest

from headrace.engines import ScriptedEngine
from headrace.errors import EngineError
from headrace.events import Finish, TokenUsage
from headrace.server.turn_endpoints import PREFIXES
from waiting import until
from wire_client import (
    CALL,
    CHAT,
    CODING_CHAT,
    HELLO,
    OPENAI_CHAT,
    WEATHER,
    chunks_of,
    deltas,
    stream,
)


def test_a_stream_has_the_headers_of_zais_service(serve):
    response = serve(ScriptedEngine("Hi")).post(CHAT, json={**HELLO, "stream": True})

    assert response.headers["content-type"] == "text/event-stream;charset=UTF-8"
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.headers["x-accel-buffering"] == "no"


def test_the_order_is_reasoning_content_calls_finish(serve):
    chunks = stream(serve(ScriptedEngine(CALL)), tools=[WEATHER], tool_stream=True)
    kinds = [
        next(key for key in ("reasoning_content", "tool_calls", "content") if key in delta)
        for delta in (chunk["choices"][0]["delta"] for chunk in chunks)
    ]

    assert list(dict.fromkeys(kinds[:-1])) == ["reasoning_content", "content", "tool_calls"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert all("finish_reason" not in chunk["choices"][0] for chunk in chunks[:-1])
    assert ["usage" in chunk for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_id_created_and_model_stay_the_same(serve):
    chunks = stream(serve(ScriptedEngine("one two three")))

    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1


def test_arguments_are_incremental_with_tool_stream_and_complete_without(serve):
    client = serve(ScriptedEngine(CALL, piece=2))
    flowing = deltas(stream(client, tools=[WEATHER], tool_stream=True), "tool_calls")
    whole = deltas(stream(client, tools=[WEATHER]), "tool_calls")

    assert len(flowing) > len(whole)
    for calls in (flowing, whole):
        joined = "".join(call["function"].get("arguments", "") for delta in calls for call in delta)
        assert joined == '{"location":"北京"}'
    assert len(whole) <= 2


@pytest.mark.parametrize("tool_stream", [True, False])
def test_a_completion_is_the_folded_stream(serve, tool_stream):
    client = serve(ScriptedEngine(CALL, piece=3))
    chunks = stream(client, tools=[WEATHER], tool_stream=tool_stream)
    answer = client.post(CHAT, json={**HELLO, "tools": [WEATHER]}).json()
    message = answer["choices"][0]["message"]

    assert message["content"] == "".join(deltas(chunks, "content"))
    assert message["reasoning_content"] == "".join(deltas(chunks, "reasoning_content"))
    assert message["tool_calls"][0]["function"] == {"arguments": '{"location":"北京"}', "name": "get_weather"}
    assert answer["usage"] == chunks[-1]["usage"]
    assert answer["choices"][0]["finish_reason"] == "tool_calls"


def test_the_keys_of_a_completion_are_sorted(serve):
    answer = serve(ScriptedEngine("<think>a</think>b")).post(CHAT, json=HELLO).json()

    assert list(answer) == ["choices", "created", "id", "model", "object", "request_id", "usage"]
    assert list(answer["choices"][0]["message"]) == ["content", "reasoning_content", "role"]
    assert list(answer["usage"]) == sorted(answer["usage"])
    assert answer["request_id"] == answer["id"]


def test_a_request_id_is_echoed(serve):
    answer = serve(ScriptedEngine("b")).post(CHAT, json={**HELLO, "request_id": "my-request"}).json()

    assert answer["request_id"] == "my-request"


@pytest.mark.parametrize("path", [CHAT, CODING_CHAT, OPENAI_CHAT])
def test_every_prefix_serves_the_endpoint(serve, path):
    assert serve(ScriptedEngine("Hi")).post(path, json=HELLO).status_code == 200


@pytest.mark.parametrize("path", [CHAT, CODING_CHAT])
def test_at_zais_paths_every_text_delta_has_a_role_and_no_tool_delta(serve, path):
    chunks = stream(serve(ScriptedEngine(CALL, piece=3)), path, tools=[WEATHER], tool_stream=True)

    for delta in (chunk["choices"][0]["delta"] for chunk in chunks):
        assert delta.get("role") == (None if "tool_calls" in delta else "assistant")


@pytest.mark.parametrize("tool_stream", [True, False])
@pytest.mark.parametrize("text", [CALL, CALL.partition("see.\n")[2], "Hi there", ""])
def test_at_openais_path_the_first_delta_has_the_role_and_no_other(serve, text, tool_stream):
    engine = ScriptedEngine(text, piece=3)
    chunks = stream(serve(engine), OPENAI_CHAT, tools=[WEATHER], tool_stream=tool_stream)

    assert ["role" in chunk["choices"][0]["delta"] for chunk in chunks] == [True] + [False] * (
        len(chunks) - 1
    )
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"


def test_models_are_listed_in_openais_form(serve):
    listed = serve(ScriptedEngine("")).get("/v1/models").json()

    assert [model["id"] for model in listed["data"]] == ["glm-4.6", "headrace-tiny"]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_model_can_be_retrieved_under_every_prefix(serve, prefix):
    client = serve(ScriptedEngine(""))
    listed = client.get(f"{prefix}/models").json()["data"]
    unknown = client.get(f"{prefix}/models/zai-org/GLM-9")

    assert [client.get(f"{prefix}/models/{model['id']}").json() for model in listed] == listed
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "1211")
    assert (
        'model "zai-org/GLM-9" is not served here; available: glm-4.6' in unknown.json()["error"]["message"]
    )


def test_with_thinking_disabled_the_prompt_disables_it_and_the_text_is_content(serve):
    chunks = stream(serve(ScriptedEngine("\nHi")), thinking={"type": "disabled"})

    assert "".join(deltas(chunks, "content")) == "Hi"


# --- every way in which a stream ends ------------------------------------------------------------


def test_an_answer_that_reaches_max_tokens_ends_with_length(serve):
    assert (
        stream(serve(ScriptedEngine("Hi", finish_reason="length")))[-1]["choices"][0]["finish_reason"]
        == "length"
    )


def test_an_engine_failure_before_the_first_event_is_a_status(serve):
    response = serve(ScriptedEngine([EngineError("no GPU")])).post(CHAT, json={**HELLO, "stream": True})

    error = {"code": "1234", "message": "no GPU", "type": "server_error"}
    assert (response.status_code, response.json()) == (500, {"error": error})


def test_an_engine_failure_during_a_stream_ends_it_with_network_error_and_usage(serve):
    chunks = stream(serve(ScriptedEngine(["Hi", " there", EngineError("lost")])))

    assert "".join(deltas(chunks, "content")) == "Hi there"
    assert chunks[-1]["choices"][0]["finish_reason"] == "network_error"
    assert chunks[-1]["usage"]["completion_tokens"] == 2


def test_an_engine_failure_before_a_completion_is_sent_is_an_error(serve):
    response = serve(ScriptedEngine(["Hi", EngineError("lost")])).post(CHAT, json=HELLO)

    assert (response.status_code, response.json()["error"]["message"]) == (500, "lost")


def test_an_engine_that_ends_without_a_finish_is_a_network_error(serve):
    class Endless(ScriptedEngine):
        async def _play(self, generation):
            async for events in super()._play(generation):
                if not isinstance(events[0], Finish):
                    yield events

    assert stream(serve(Endless("Hi")))[-1]["choices"][0]["finish_reason"] == "network_error"


@pytest.mark.parametrize("streaming", [True, False])
def test_a_client_that_disconnects_stops_the_engine(serve, streaming):
    engine = ScriptedEngine("x" * 4000, delay=0.01)
    client = serve(engine)
    with pytest.raises(httpx2.TimeoutException if not streaming else StopIteration):
        if streaming:
            with client.stream("POST", CHAT, json={**HELLO, "stream": True}) as response:
                next(response.iter_raw())
            raise StopIteration
        client.post(CHAT, json=HELLO, timeout=2)
    client.close()
    until(lambda: not engine.running)

    assert engine.running == 0


def test_comments_with_a_single_line_end_fill_silence(serve):
    client = serve(ScriptedEngine(["Hi", "!"], delay=0.3), keep_alive_interval=0.05)
    body = client.post(CHAT, json={**HELLO, "stream": True}).content

    assert body.count(b": keep-alive\n") >= 2
    assert b": keep-alive\n\n" not in body
    assert "".join(deltas(chunks_of(body), "content")) == "Hi!"


def test_usage_is_that_of_the_engine(serve):
    usage = TokenUsage(prompt=9, completion=5, cached=4, reasoning=2)
    chunks = stream(serve(ScriptedEngine(["Hi", Finish("stop", usage)])))

    assert chunks[-1]["usage"] == {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def test_concurrent_streams_progress_together(serve):
    client = serve(ScriptedEngine("word " * 50, piece=5, delay=0.01))
    open_streams = [client.stream("POST", CHAT, json={**HELLO, "stream": True}) for _ in range(5)]
    readers = [stream.__enter__().iter_raw() for stream in open_streams]
    firsts = [next(reader) for reader in readers]  # each gives its first bytes while no other has ended
    for stream_ in open_streams:
        stream_.__exit__(None, None, None)

    assert all(b"[DONE]" not in first for first in firsts)
