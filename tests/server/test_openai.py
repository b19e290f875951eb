"""What OpenAI's clients rely on, and what they show to their users."""

import json
import re

import pytest

from headrace.engines import ScriptedEngine
from headrace.engines.protocols.error_mapping import Upstream, map_response
from headrace.errors import EngineError
from headrace.sse import DONE
from wire_client import CALL, CHAT, HELLO, OPENAI_CHAT, WEATHER, events_of


def fail_after_text(serve, path):
    client = serve(ScriptedEngine(["Hi", EngineError("the GPU is gone")]))
    return events_of(client.post(path, json={**HELLO, "stream": True}).content)


def test_a_failed_stream_has_an_error_before_its_end_at_v1(serve):
    *_, error, finish, done = fail_after_text(serve, OPENAI_CHAT)

    assert error.event == ""
    assert json.loads(error.data) == {
        "error": {"code": "1234", "message": "the GPU is gone", "type": "server_error"}
    }
    assert json.loads(finish.data)["choices"][0]["finish_reason"] == "network_error"
    assert done.data == DONE


def test_a_failed_stream_has_a_finish_reason_only_at_z_ais_path(serve):
    *texts, finish, done = fail_after_text(serve, CHAT)

    assert all("error" not in json.loads(event.data) for event in texts)
    assert json.loads(finish.data)["choices"][0]["finish_reason"] == "network_error"
    assert done.data == DONE


@pytest.mark.parametrize(
    "path", ["/v1//chat/completions", "/v1/chat/completions/", "/v1/chat//completions//"]
)
def test_empty_segments_of_a_path_are_ignored(serve, path):
    assert serve(ScriptedEngine("Hi")).post(path, json=HELLO).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models/glm-4.6", "/v1//models/glm-4.6/", "/v1/models/"])
def test_models_can_be_read_with_any_slashes(serve, path):
    assert serve(ScriptedEngine("Hi")).get(path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/chat/completions"), ("GET", "/nothing"), ("GET", "/api/paas/v4"), ("GET", "/v1/")],
)
def test_an_unknown_path_is_404_and_says_where_the_api_is(serve, method, path):
    response = serve(ScriptedEngine("Hi")).request(method, path, json={} if method == "POST" else None)

    assert response.status_code == 404
    assert "the APIs are at /v1, /api/paas/v4 and /api/anthropic" in response.json()["error"]["message"]


def test_openais_oldest_api_is_rejected_in_its_format(serve):
    response = serve(ScriptedEngine("Hi")).post("/v1/completions", json={})
    error = response.json()["error"]

    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["message"].startswith("/v1/completions is not served here; use /v1/chat/completions")


@pytest.mark.parametrize(
    ("request_", "status", "type_"),
    [
        (("POST", OPENAI_CHAT, {}), 400, "invalid_request_error"),
        (("POST", OPENAI_CHAT, {**HELLO, "model": "x"}), 400, "invalid_request_error"),
        (("POST", OPENAI_CHAT, HELLO), 401, "authentication_error"),
        (("GET", "/v1/models", None), 401, "authentication_error"),
        (("GET", "/v1/models/x", None), 404, "invalid_request_error"),
        (("GET", "/nowhere", None), 404, "invalid_request_error"),
        (("POST", "/v1/responses", {}), 400, "invalid_request_error"),
        (("DELETE", OPENAI_CHAT, None), 405, "invalid_request_error"),
    ],
)
def test_an_error_has_a_type_and_a_request_id(serve, request_, status, type_):
    client = serve(ScriptedEngine("Hi"), api_keys=("id.secret",) if status == 401 else ())
    method, path, body = request_
    response = client.request(method, path, json=body)

    assert (response.status_code, response.json()["error"]["type"]) == (status, type_)
    assert re.fullmatch(r"\w{16,}", response.headers["x-request-id"])


def test_the_request_id_of_a_failed_turn_is_the_id_of_the_turn(serve):
    response = serve(ScriptedEngine([EngineError("no GPU")])).post(OPENAI_CHAT, json=HELLO)

    assert (response.status_code, response.json()["error"]["type"]) == (500, "server_error")
    assert re.fullmatch(r"\d{14}[0-9a-f]{16}", response.headers["x-request-id"])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("tool_stream", [True, False])
def test_without_parallel_calls_an_answer_has_one(serve, stream, tool_stream):
    call = CALL.partition("<tool_call>")[2]
    client = serve(ScriptedEngine(f"{CALL}<tool_call>{call}Done", piece=3))
    options = {"stream": stream, "tool_stream": stream and tool_stream, "tools": [WEATHER]}
    indexes = []
    for parallel in (True, False):
        body = {**HELLO, **options, "parallel_tool_calls": parallel}
        content = client.post(OPENAI_CHAT, json=body).content
        indexes.append(set(re.findall(rb'"index":(\d),"type":"function"', content)))
        assert b'"finish_reason":"tool_calls"' in content

    assert indexes == [{b"0", b"1"}, {b"0"}]


# The words by which clients recognise a prompt that is too long.
TOO_LONG = {
    "langchain, litellm, opencode": r"prompt is too long",
    "litellm, pydantic-ai, strands": r"maximum context length",
    "opencode, pi": r"maximum context length is \d+ tokens",
    "cline": r"context length|maximum.*tokens",
    "OpenAI": r"reduce the length of the messages",
}


@pytest.mark.parametrize("words", TOO_LONG.values(), ids=list(TOO_LONG))
def test_clients_recognise_a_prompt_that_is_too_long(words):
    llama_cpp = {"type": "exceed_context_size_error", "n_prompt_tokens": 15887, "n_ctx": 4096, "code": 400}
    error = map_response(Upstream("llama.cpp"), 400, json.dumps({"error": llama_cpp}).encode())

    assert error.code == "1261"
    assert re.search(words, error.message)


def test_a_message_about_a_long_prompt_is_the_same_through_two_servers():
    message = "messages: the prompt is too long: 9 tokens; this model's maximum context length is 8 tokens"
    body = json.dumps({"error": {"code": "1261", "message": message}}).encode()

    assert map_response(Upstream("http://gpu"), 400, body).message == message


def test_short_user_ids_pass_and_the_log_warns_once(serve, caplog):
    client = serve(ScriptedEngine(["Hi"]))
    responses = [client.post(CHAT, json={**HELLO, "user_id": id}) for id in ("7", 8, "", "long-enough")]

    assert [response.status_code for response in responses] == [200] * 4
    assert [record.message for record in caplog.records if "user_id" in record.message] == [
        "a user_id has 1 characters: Z.ai's service accepts 6 to 128 (reported once)"
    ]
