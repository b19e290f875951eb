"""OpenAI's Responses: what one server does, with turns in memory."""

import json
import re

import pytest

from headrace.engines import ScriptedEngine
from headrace.errors import EngineError, LimitError, RequestError
from headrace.events import Content, Finish, ToolCallArguments, ToolCallEnd, ToolCallStart
from listening import GeneratedEngine
from response_client import PATH, create, read, stream, text_of, wait_for
from response_contract import decode, read_stream
from wire_client import CALL, OPENAI_CHAT

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}}},
}


class Prompted(GeneratedEngine):
    """Answers with its prompt."""

    async def generate(self, generation):
        yield [Content(generation.prompt)]
        yield [Finish("stop")]


def cancel(client, id):
    """Cancel as OpenAI's clients do: without a body, but with a key."""
    return client.post(f"{PATH}/{id}/cancel", headers={"authorization": "Bearer any"}).json()


@pytest.mark.parametrize("path", [PATH, "/api/v1/responses"])
def test_a_stream_is_the_complete_answer(serve, path):
    client = serve(ScriptedEngine(CALL, piece=3))
    reader = stream(client, path, tools=[WEATHER])
    complete = create(client, path, tools=[WEATHER])

    reasoning, message, call = reader.response["output"]
    assert (reasoning["type"], message["type"], call["type"]) == ("reasoning", "message", "function_call")
    assert call["arguments"] == '{"location":"北京"}'
    assert [item["type"] for item in complete["output"]] == ["reasoning", "message", "function_call"]
    assert complete["output"][1]["content"] == message["content"]
    assert complete["usage"] == reader.response["usage"]
    assert reader.response["usage"]["output_tokens_details"]["reasoning_tokens"] > 0


def test_arguments_arrive_as_the_model_writes_them(serve):
    reader = stream(serve(ScriptedEngine(CALL, piece=1)), tools=[WEATHER])

    assert reader.number > 25


def test_the_body_alone_decides_about_the_stream(serve):
    client = serve(ScriptedEngine("Hi"))
    body = {"model": "glm-4.6", "input": "Hello", "stream": True}
    headers = {"accept": "application/json", "accept-encoding": "zstd,gzip"}
    streamed = client.post(PATH, json=body, headers=headers)
    whole = client.post(PATH, json={**body, "stream": False}, headers=headers)

    assert text_of(create(client, headers={"accept": "text/event-stream"})) == "Hi"
    assert streamed.content.startswith(b"event: response.created\n")
    assert not {"content-encoding"} & {*streamed.headers, *whole.headers}


def test_the_model_gets_instructions_items_and_results(serve):
    items = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "Sum?"}]},
        {"type": "function_call", "call_id": "1", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "3"}]},
    ]
    response = create(serve(Prompted()), instructions="You add.", input=items)

    assert text_of(response) == "system: You add.\n\nBe brief.\nuser: Sum?\nassistant: \ntool: 3\n"


def test_a_custom_tool_and_a_namespace_are_answered_as_the_client_knows_them(serve):
    script = [
        ToolCallStart(0, "patch"), ToolCallArguments(0, '{"input":"a\\nb"}'), ToolCallEnd(0),
        ToolCallStart(1, "agents__spawn"), ToolCallArguments(1, "{}"), ToolCallEnd(1), Finish("tool_calls"),
    ]  # fmt: skip
    tools = [
        {"type": "custom", "name": "patch"},
        {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "spawn"}]},
        {"type": "web_search"},
    ]
    patch, spawn = stream(serve(ScriptedEngine(script)), tools=tools).response["output"]

    assert (patch["type"], patch["input"]) == ("custom_tool_call", "a\nb")
    assert (spawn["name"], spawn["namespace"]) == ("spawn", "agents")


def test_tools_that_the_model_cannot_have_are_reported_in_the_log(serve, caplog):
    caplog.set_level("INFO", "headrace.server")
    create(serve(ScriptedEngine("Hi")), tools=[{"type": "web_search"}])

    assert 'tools[0].type is "web_search"; the model does not get it' in caplog.text


def test_a_failure_before_the_first_event_is_a_status_and_later_an_event(serve):
    body = {"model": "glm-4.6", "input": "Hello", "stream": True}
    early = serve(ScriptedEngine([EngineError("too long", code="1261")])).post(PATH, json=body)
    late = stream(serve(ScriptedEngine(["Once", EngineError("the GPU is gone")])))

    assert (early.status_code, early.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert late.response["status"] == "failed"
    assert late.response["error"] == {"code": "server_error", "message": "the GPU is gone"}


@pytest.mark.interpreted
def test_a_failure_after_the_head_and_before_the_first_event_is_an_event(serve, monkeypatch):
    for name in ("FIRST_BYTES", "PROGRESS_INTERVAL"):
        monkeypatch.setattr(f"headrace.server.stream.{name}", 0.02)
    error = LimitError("too many requests", code="1302", retry_after=7)
    reader = stream(serve(ScriptedEngine([error], delay=0.3)))

    assert reader.response["error"] == {
        "code": "rate_limit_exceeded",
        "message": "too many requests; try again in 7s",
    }
    assert reader.number == 2


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (LimitError("wait", code="1302", retry_after=7), 429, "rate_limit_exceeded"),
        (EngineError("gone"), 500, "server_error"),
    ],
)
def test_errors_have_the_form_of_openai(serve, error, status, code):
    response = serve(ScriptedEngine([error])).post(PATH, json={"model": "glm-4.6", "input": "Hi"})

    assert response.status_code == status
    assert response.json()["error"].keys() == {"message", "type", "param", "code"}
    assert response.json()["error"]["code"] == code
    assert response.headers.get("retry-after") == ("7" if status == 429 else None)


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (("POST", PATH, {"model": "gpt-5.5", "input": "Hi"}), 404, "model_not_found"),
        (("POST", PATH, {"model": "glm-4.6"}), 400, "invalid_request"),
        (("POST", PATH, []), 400, "invalid_request"),
        (("PUT", PATH, {}), 405, "invalid_request"),
        (("GET", f"{PATH}/resp_1", None), 404, "not_found"),
        (("GET", f"{PATH}/resp_1/input_items", None), 404, "not_found"),
        (("POST", f"{PATH}/resp_1/cancel", None), 404, "not_found"),
        (("DELETE", f"{PATH}/resp_1", None), 404, "not_found"),
        (("POST", f"{PATH}/compact", {}), 404, "not_found"),
        (("POST", f"{PATH}/input_tokens", {}), 404, "not_found"),
        (("GET", f"{PATH}/resp_1/other", None), 404, "not_found"),
        (("GET", f"{PATH}/resp_1/input_items/1", None), 404, "not_found"),
        (("PUT", f"{PATH}/resp_1", {}), 405, "invalid_request"),
    ],
)
def test_bad_requests(serve, request_, status, code):
    method, path, body = request_
    key = {"authorization": "Bearer any"}
    response = serve(ScriptedEngine("Hi")).request(method, path, json=body, headers=key)

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), response.text
    assert code != "model_not_found" or error["param"] == "model"


def test_an_image_for_a_model_without_images_names_the_part(serve):
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBOR"}
    items = [{"role": "user", "content": [{"type": "input_text", "text": "See:"}, image]}]
    error = create(serve(ScriptedEngine("Hi")), input=items, instructions="a", status=400)["error"]

    assert error["param"] == "input[0].content[1].type"
    assert "only text" in error["message"]


@pytest.mark.parametrize(
    ("linger", "headers", "status"),
    [("5", {}, 400), ("x", {"x-headrace-resumable": "1"}, 400), ("5", {"x-headrace-resumable": "1"}, 200)],
)
def test_the_time_without_a_reader_is_for_resumable_responses(serve, linger, headers, status):
    create(serve(ScriptedEngine("Hi")), headers={**headers, "x-headrace-linger": linger}, status=status)


def test_an_error_of_the_engine_names_the_fields_of_the_client(serve):
    message = "messages: the prompt is too long: 30 tokens; max_tokens is 5"
    engine = ScriptedEngine([RequestError(message, code="1261")])
    error = create(serve(engine), status=400)["error"]

    assert error["param"] == "input"
    assert error["message"] == "input: the prompt is too long: 30 tokens; max_output_tokens is 5"


def test_without_a_key_of_the_server_the_error_has_the_form_too(serve):
    response = serve(ScriptedEngine("Hi"), api_keys=("a.b",)).post(PATH, json={})

    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_websocket_is_refused_so_that_codex_uses_http_at_once(serve):
    offer = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
    }

    assert serve(ScriptedEngine("Hi")).get(PATH, headers=offer).status_code == 426


def test_silence_is_filled_with_events_that_shift_no_number(serve):
    client = serve(ScriptedEngine("Hi there", piece=4, delay=0.3), keep_alive_interval=0.05)
    body = {"model": "glm-4.6", "input": "Hello", "stream": True}
    data = client.post(PATH, json=body).content

    events = decode(data)
    repeated = [event for event in events if event["type"] == "response.in_progress"]
    assert len(repeated) > 1
    assert read_stream(data).number == len(events) - len(repeated)


def test_a_response_can_be_read_again(serve):
    client = serve(ScriptedEngine(CALL, piece=3))
    whole = client.post(
        PATH,
        json={
            "model": "glm-4.6",
            "input": "Hello",
            "stream": True,
            "tools": [WEATHER],
            "metadata": {"a": "b"},
        },
    ).content
    final = read_stream(whole).response

    assert client.get(f"{PATH}/{final['id']}").json() == final
    assert read(client, final["id"]) == decode(whole)
    assert read(client, final["id"], 5) == decode(whole)[6:]
    assert final["metadata"] == {"a": "b"}


def test_a_response_that_is_not_stored_cannot(serve):
    client = serve(ScriptedEngine("Hi"))
    response = create(client, store=False)

    assert client.get(f"{PATH}/{response['id']}").status_code == 404
    assert response["store"] is False


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "9" * 30, "", "²"])
def test_a_position_is_a_number(serve, after):
    client = serve(ScriptedEngine("Hi"))
    id = create(client)["id"]
    response = client.get(f"{PATH}/{id}?stream=true&starting_after={after}")

    assert (response.status_code, response.json()["error"]["param"]) == (400, "starting_after")


def test_a_position_after_the_end_is_an_error_and_at_the_end_nothing_is_left(serve):
    client = serve(ScriptedEngine("Hi"))
    id = create(client)["id"]
    last = read(client, id)[-1]["sequence_number"]

    assert read(client, id, last) == []
    response = client.get(f"{PATH}/{id}?stream=true&starting_after={last + 1}")
    assert f"the last event of this response is {last}" in response.json()["error"]["message"]


def test_a_position_after_what_a_running_answer_has_is_an_error(serve, monkeypatch):
    """Otherwise the stream would end without a last event when the answer ends before that position."""
    for name in ("FIRST_BYTES", "PROGRESS_INTERVAL"):
        monkeypatch.setattr(f"headrace.server.stream.{name}", 0.02)
    client = serve(ScriptedEngine(["One", " two"], delay=60))
    id = create(client, background=True)["id"]

    response = client.get(f"{PATH}/{id}?stream=true&starting_after=1000")
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "starting_after")
    assert "starting_after is 1000; the last event of this response is " in error["message"]
    with client.stream("GET", f"{PATH}/{id}?stream=true&starting_after=1") as begun:
        assert begun.status_code == 200
    client.post(f"{PATH}/{id}/cancel")


def test_a_position_after_the_end_of_a_failed_answer_is_an_error(serve):
    client = serve(ScriptedEngine([EngineError("the GPU is gone")]))
    id = create(client, background=True)["id"]
    wait_for(client, id, "failed")
    last = read(client, id)[-1]["sequence_number"]

    response = client.get(f"{PATH}/{id}?stream=true&starting_after={last + 1}")
    assert (response.status_code, response.json()["error"]["param"]) == (400, "starting_after")
    assert read(client, id, last) == []


def test_a_switch_in_the_query_is_true_or_false(serve):
    client = serve(ScriptedEngine("Hi"))
    id = create(client)["id"]
    response = client.get(f"{PATH}/{id}?stream=perhaps")

    assert (response.status_code, response.json()["error"]["param"]) == (400, "stream")
    assert client.get(f"{PATH}/{id}?stream=false").json()["id"] == id


def test_a_resumed_stream_can_have_ids_of_the_log_too(serve):
    client = serve(ScriptedEngine("Hi there", piece=1))
    id = create(client)["id"]
    headers = {"x-headrace-resumable": "1"}
    whole, rest = (
        re.sub(rb"retry: \d+\n", b"", client.get(f"{PATH}/{id}?stream=true", headers=sent).content)
        for sent in (headers, {**headers, "last-event-id": "3"})
    )

    assert b"id: 3\n" in whole
    assert whole.partition(b"id: 3\n")[2].partition(b"\n\n")[2] == rest


def test_a_deleted_response_is_gone(serve):
    client = serve(ScriptedEngine("Hi"))
    id = create(client)["id"]

    assert client.delete(f"{PATH}/{id}").json() == {"id": id, "object": "response", "deleted": True}
    assert client.get(f"{PATH}/{id}").status_code == 410
    assert create(client, previous_response_id=id, status=400)["error"]["param"] == "previous_response_id"


def test_a_response_in_the_background(serve):
    client = serve(ScriptedEngine("Hi there", piece=2))
    begun = create(client, background=True)
    done = wait_for(client, begun["id"], "completed")

    assert begun["status"] in ("queued", "in_progress")
    assert (text_of(done), done["background"]) == ("Hi there", True)
    types = [event["type"].removeprefix("response.") for event in read(client, begun["id"])]
    assert types[:3] == ["created", "queued", "in_progress"]


def test_a_repeated_request_in_the_background_starts_one_response(serve):
    client = serve(ScriptedEngine("Hi there"))
    body = {"model": "glm-4.6", "input": "Hello", "background": True}
    named = {"x-headrace-request-id": "a"}
    first, second = (client.post(PATH, json=body, headers=named).json()["id"] for _ in range(2))

    assert first == second
    assert text_of(wait_for(client, first, "completed")) == "Hi there"


@pytest.mark.parametrize("script", [[EngineError("gone")], ["Once", EngineError("gone")]])
def test_a_response_in_the_background_that_fails(serve, script):
    client = serve(ScriptedEngine(script))
    id = create(client, background=True)["id"]
    failed = wait_for(client, id, "failed")

    assert failed["error"] == {"code": "server_error", "message": "gone"}
    assert read(client, id)[-1]["response"] == failed
    assert read(client, id, 2)[0]["sequence_number"] == 3


def test_a_stream_in_the_background_can_be_left_and_continued(serve):
    engine = ScriptedEngine(" ".join(map(str, range(30))), piece=3, delay=0.01)
    client = serve(engine)
    body = {"model": "glm-4.6", "input": "Hello", "stream": True, "background": True}
    with client.stream("POST", PATH, json=body) as response:
        data = next(response.iter_raw())
    events = decode(data)
    id, last = events[0]["response"]["id"], events[-1]["sequence_number"]
    rest = read(client, id, last)

    assert rest[0]["sequence_number"] == last + 1
    assert wait_for(client, id, "completed") == rest[-1]["response"]


def test_a_response_can_be_cancelled(serve):
    engine = ScriptedEngine(" ".join(map(str, range(500))), piece=3, delay=0.01)
    client = serve(engine)
    id = create(client, background=True)["id"]
    wait_for(client, id, "in_progress")
    cancelled = cancel(client, id)

    assert cancelled["status"] == "cancelled"
    assert client.get(f"{PATH}/{id}").json() == cancelled
    assert cancel(client, id) == cancelled
    assert read(client, id)[-1] == {
        "type": "response.cancelled",
        "sequence_number": read(client, id)[-1]["sequence_number"],
        "response": cancelled,
    }


def test_a_client_that_closes_its_connection_cancels_a_stored_answer(serve):
    engine = ScriptedEngine(" ".join(map(str, range(2000))), piece=3, delay=0.01)
    client = serve(engine)
    with client.stream("POST", PATH, json={"model": "glm-4.6", "input": "Hello", "stream": True}) as response:
        id = decode(next(response.iter_raw()))[0]["response"]["id"]
    failed = wait_for(client, id, "failed")

    assert failed["error"]["message"] == "the client disconnected"


def test_a_turn_of_chat_completions_can_be_read_as_a_response(serve):
    client = serve(ScriptedEngine("Hi"))
    body = {"model": "glm-4.6", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9}
    id = client.post(OPENAI_CHAT, json=body, headers={"x-headrace-resumable": "1"}).json()["id"]
    response = client.get(f"{PATH}/{id}").json()

    assert (text_of(response), response["max_output_tokens"]) == ("Hi", 9)
    assert json.loads(client.get(f"{PATH}/{id}/input_items").content)["data"] == []
