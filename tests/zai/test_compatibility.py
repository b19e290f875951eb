"""What programs for PyPI's zai-sdk rely on; docs/sdk.md lists the intended differences."""

import base64
import gc
import hashlib
import hmac
import json
import time
import typing

import httpx2
import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, sse, stream
from zai.core import APIStatusError, APITimeoutError, StreamResponse, ZaiError
from zai.core._errors import APIReachLimitError
from zai.core._jwt_token import generate_token
from zai.core._streaming import StreamResponse as AlsoStreamResponse
from zai.types.chat import ChatCompletionChunk, Completion
from zai.types.chat.async_chat_completion import AsyncCompletion, AsyncTaskStatus
from zai.types.chat.chat_completion import (
    CompletionChoice,
    CompletionMessage,
    CompletionMessageToolCall,
    CompletionUsage,
    Function,
)

MESSAGES = [{"role": "user", "content": "Hello"}]
ANSWER = {
    "id": "completion123",
    "request_id": "request456",
    "model": "model-name",
    "task_status": "SUCCESS",
    "choices": [
        {
            "index": 0,
            "finish_reason": "normal",
            "message": {
                "content": "This is the answer.",
                "role": "assistant",
                "tool_calls": [
                    {"id": "call789", "function": {"arguments": "a, b", "name": "f"}, "type": "function_call"}
                ],
            },
        }
    ],
    "usage": {"prompt_tokens": 10, "completion_tokens": 15, "total_tokens": 25},
}


# --- constructing a client ---------------------------------------------------------------------------------


def test_key_and_url_default_to_the_environment(monkeypatch):
    monkeypatch.setenv("ZAI_API_KEY", "env.key")
    monkeypatch.setenv("ZAI_BASE_URL", "http://127.0.0.1:9/v9/")
    client = zai.ZaiClient()

    assert (client.api_key, client.base_url) == ("env.key", "http://127.0.0.1:9/v9")
    assert zai.ZaiClient(api_key="own.key", base_url="http://own").api_key == "own.key"


@pytest.mark.parametrize(
    ("client_class", "url"),
    [
        (zai.ZaiClient, "https://api.z.ai/api/paas/v4"),
        (zai.ZhipuAiClient, "https://open.bigmodel.cn/api/paas/v4"),
        (zai.AsyncZaiClient, "https://api.z.ai/api/paas/v4"),
        (zai.AsyncZhipuAiClient, "https://open.bigmodel.cn/api/paas/v4"),
    ],
)
def test_each_client_has_its_host_and_defaults(client_class, url):
    client = client_class(api_key="a.b")

    assert client.base_url == url
    assert client.timeout == (8.0, 300.0, 300.0, 300.0)
    assert client.max_retries == 3
    assert client.disable_token_cache is True


def test_a_client_without_a_key_raises_and_is_collected_silently():
    with pytest.raises(ZaiError):
        zai.ZaiClient()
    gc.collect()


def test_every_argument_of_zai_sdk_is_accepted():
    zai.ZaiClient(
        api_key="a.b",
        base_url=httpx2.URL("http://x"),
        timeout=httpx2.Timeout(5, connect=1),
        max_retries=1,
        http_client=None,
        custom_headers={"X-A": "1"},
        disable_token_cache=False,
        _strict_response_validation=False,
        source_channel="tests",
    )


def test_there_is_a_version():
    assert zai.__version__.count(".") == 2


# --- cleaning up -------------------------------------------------------------------------------------


def test_a_client_is_open_until_it_is_closed_and_can_be_closed_twice():
    client = zai.ZaiClient(api_key="a.b")
    assert not client.is_closed()
    client.close()
    client.close()
    assert client.is_closed()
    with zai.ZhipuAiClient(api_key="a.b") as client:
        assert not client.is_closed()
    assert client.is_closed()


def test_an_http_client_that_was_passed_is_closed_by_close_but_not_by_the_garbage_collector():
    own = httpx2.Client()
    client = zai.ZaiClient(api_key="a.b", http_client=own)
    del client
    gc.collect()
    assert not own.is_closed
    zai.ZaiClient(api_key="a.b", http_client=own).close()
    assert own.is_closed


def test_the_garbage_collector_closes_the_default_http_client():
    client = zai.ZaiClient(api_key="a.b")
    http_client = client.http_client
    assert client.chat.completions is client.chat.completions
    del client
    gc.collect()
    assert http_client.is_closed


def test_a_client_can_be_closed_after_its_http_client():
    own = httpx2.Client()
    client = zai.ZaiClient(api_key="a.b", http_client=own)
    own.close()
    assert client.is_closed()
    client.close()


def test_a_stream_keeps_its_client_alive(client_of):
    with ScriptedServer(Reply(stream("a", "b"))) as server:
        answer = zai.ZaiClient(api_key="a.b", base_url=server.url).chat.completions.create(
            model="m", messages=MESSAGES, stream=True
        )
        gc.collect()
        assert "".join(answer.text_deltas()) == "ab"


# --- the token ---------------------------------------------------------------------------------------


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_the_token_is_signed_and_its_times_are_milliseconds():
    head, payload, signature = generate_token("12345678.abcdefg").split(".")

    assert decoded(head) == {"alg": "HS256", "typ": "JWT", "sign_type": "SIGN"}
    claims = decoded(payload)
    assert claims["api_key"] == "12345678"
    assert abs(claims["timestamp"] - time.time() * 1000) < 5000
    assert claims["exp"] - claims["timestamp"] == 210_000
    expected = hmac.new(b"abcdefg", f"{head}.{payload}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)) == expected


@pytest.mark.parametrize("key", ["invalid_api_key", "a.b.c", ".b", "a.", ""])
def test_a_token_needs_a_key_of_two_halves(key):
    with pytest.raises(ZaiError, match=r"id\.secret"):
        generate_token(key)


def test_the_key_is_sent_raw_or_as_a_token(client_of):
    with ScriptedServer(Reply(json.dumps(ANSWER).encode())) as server:
        for raw in (True, False):
            client_of(server, disable_token_cache=raw).chat.completions.create(model="m", messages=MESSAGES)
    raw, token = (asked.headers["authorization"].removeprefix("Bearer ") for asked in server.asked)
    assert raw == "id.secret"
    assert decoded(token.split(".")[1])["api_key"] == "id"


# --- requests ----------------------------------------------------------------------------------------


def test_a_requests_headers_override_the_clients(client_of):
    with ScriptedServer(Reply(json.dumps(ANSWER).encode())) as server:
        client = client_of(server, custom_headers={"X-A": "1", "X-B": "1"}, source_channel="tests")
        client.chat.completions.create(
            model="m", messages=MESSAGES, extra_headers={"x-b": "2", "Accept": "x/y"}
        )
    headers = server.asked[0].headers
    assert (headers["x-a"], headers["x-b"], headers["accept"]) == ("1", "2", "x/y")
    assert headers["content-type"] == "application/json; charset=UTF-8"
    assert headers["x-source-channel"] == "tests"
    assert headers["accept-language"] == "en-US,en"


def test_a_request_has_its_own_timeout():
    seen = []

    def answer(request):
        seen.append(request.extensions["timeout"])
        return httpx2.Response(200, json=ANSWER)

    with zai.ZaiClient(
        api_key="a.b", http_client=httpx2.Client(transport=httpx2.MockTransport(answer))
    ) as client:
        client.chat.completions.create(model="m", messages=MESSAGES, timeout=7)
        client.chat.completions.create(model="m", messages=MESSAGES, timeout=httpx2.Timeout(5, connect=1))
        client.chat.completions.create(model="m", messages=MESSAGES, timeout=None)
        client.chat.completions.create(model="m", messages=MESSAGES)
    assert [(each["connect"], each["read"]) for each in seen] == [(7, 7), (1, 5), (None, None), (8, 300)]


def test_unknown_arguments_and_an_extra_body_are_sent(client_of):
    with ScriptedServer(Reply(json.dumps(ANSWER).encode())) as server:
        client_of(server).chat.completions.create(
            model="m", messages=MESSAGES, new_switch=True, extra_body={"top_k": 5, "model": "n"}
        )
    assert server.asked[0].body == {"model": "n", "messages": MESSAGES, "new_switch": True, "top_k": 5}


def test_messages_can_be_objects_of_the_sdk(client_of):
    call = CompletionMessageToolCall(id="c", function=Function(arguments="{}", name="f"), type="function")
    message = CompletionMessage(content="Hi", role="assistant", tool_calls=[call])
    with ScriptedServer(Reply(json.dumps(ANSWER).encode())) as server:
        client_of(server).chat.completions.create(model="m", messages=[*MESSAGES, message])
    assert server.asked[0].body["messages"][1] == {
        "role": "assistant",
        "content": "Hi",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }


def test_messages_can_be_pydantic_models(client_of):
    class Message:
        def model_dump(self, *, exclude_unset):
            return {"role": "user", "content": "Hi"}

    with ScriptedServer(Reply(json.dumps(ANSWER).encode())) as server:
        client_of(server).chat.completions.create(model="m", messages=[Message()])
    assert server.asked[0].body["messages"] == [{"role": "user", "content": "Hi"}]


# --- responses -----------------------------------------------------------------------------------------


def test_a_completion_has_its_classes(client_of):
    with ScriptedServer(Reply(json.dumps(ANSWER).encode())) as server:
        answer = client_of(server).chat.completions.create(model="m", messages=MESSAGES)
    assert type(answer) is Completion
    assert answer.created is None
    assert answer.task_status == "SUCCESS"
    choice = answer.choices[0]
    assert isinstance(choice, CompletionChoice)
    assert (choice.index, choice.finish_reason) == (0, "normal")
    assert isinstance(choice.message.tool_calls[0], CompletionMessageToolCall)
    assert choice.message.tool_calls[0].function.arguments == "a, b"
    assert isinstance(answer.usage, CompletionUsage)
    assert answer.usage.total_tokens == 25


def test_a_task_is_created_and_fetched(client_of):
    replies = [
        {"id": "t1", "request_id": "r1", "model": "m", "task_status": "PROCESSING"},
        {"id": "t1", "request_id": "r1", "model": "m", "task_status": "PROCESSING"},
        ANSWER,
        {"id": "t1", "task_status": "FAIL"},
    ]
    with ScriptedServer(*(Reply(json.dumps(body).encode()) for body in replies)) as server:
        tasks = client_of(server).chat.asyncCompletions
        task = tasks.create(model="m", messages=MESSAGES)
        assert type(task) is AsyncTaskStatus
        assert (task.id, task.task_status) == ("t1", "PROCESSING")
        assert tasks.retrieve_completion_result(task.id).task_status == "PROCESSING"
        answer = tasks.retrieve_completion_result(id="t1")
        assert type(answer) is AsyncCompletion
        assert answer.choices[0].message.content == "This is the answer."
        assert tasks.retrieve_completion_result("../t 1").task_status == "FAIL"
    assert [(asked.method, asked.path.partition("/v4")[2]) for asked in server.asked] == [
        ("POST", "/async/chat/completions"),
        ("GET", "/async-result/t1"),
        ("GET", "/async-result/t1"),
        ("GET", "/async-result/..%2Ft%201"),
    ]


async def test_a_task_is_created_and_fetched_in_asyncio(async_client_of):
    replies = [{"id": "t1", "task_status": "PROCESSING"}, ANSWER]
    with ScriptedServer(*(Reply(json.dumps(body).encode()) for body in replies)) as server:
        tasks = async_client_of(server).chat.asyncCompletions
        assert (await tasks.create(model="m", messages=MESSAGES)).id == "t1"
        assert type(await tasks.retrieve_completion_result("t1")) is AsyncCompletion


def test_a_stream_is_a_stream_response_of_chunks(client_of):
    with ScriptedServer(Reply(stream("1", "2"))) as server:
        answer = client_of(server).chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert isinstance(answer, StreamResponse)
        assert StreamResponse is AlsoStreamResponse
        assert typing.get_args(StreamResponse[ChatCompletionChunk]) == (ChatCompletionChunk,)
        first = next(answer)
        assert type(first) is ChatCompletionChunk
        assert (first.choices[0].delta.content, first.choices[0].delta.role) == ("1", "assistant")
        assert (first.choices[0].index, first.model) == (0, "m")
        assert next(answer).choices[0].delta.content == "2"


def test_arguments_can_be_joined_in_the_first_delta_as_in_zais_documentation(client_of):
    def delta(arguments, **head):
        function = {"arguments": arguments, **({"name": "f"} if head else {})}
        return chunk(delta={"tool_calls": [{"index": 0, "type": "function", "function": function, **head}]})

    frames = [
        sse(delta("", id="call_1")),
        sse(delta('{"a":')),
        sse(delta("1}")),
        sse(chunk(finish_reason="tool_calls")),
    ]
    with ScriptedServer(Reply(frames)) as server:
        final = {}
        for each in client_of(server).chat.completions.create(model="m", messages=MESSAGES, stream=True):
            for call in each.choices[0].delta.tool_calls or ():
                if call.index not in final:
                    final[call.index] = call
                else:
                    final[call.index].function.arguments += call.function.arguments
    assert (final[0].id, final[0].function.name, final[0].function.arguments) == ("call_1", "f", '{"a":1}')


# --- errors ------------------------------------------------------------------------------------------


def test_the_exception_hierarchy_is_that_of_zai_sdk():
    assert issubclass(APIReachLimitError, APIStatusError)
    assert issubclass(APIStatusError, ZaiError)
    assert issubclass(APITimeoutError, zai.APIConnectionError)
    assert issubclass(zai.APIConnectionError, zai.APIResponseError)
    assert issubclass(zai.APIResponseValidationError, zai.APIResponseError)
    assert issubclass(zai.APIStreamDisconnectedError, zai.APIConnectionError)
    assert issubclass(zai.APIStreamTruncatedError, zai.APIResponseError)


def test_the_exceptions_are_attributes_of_zai_core():
    assert zai.core.APIStatusError is APIStatusError
    assert zai.types.chat.Completion is Completion


def test_the_defaults_are_attributes_of_zai_core():
    client = zai.ZaiClient(
        api_key="a.b", timeout=zai.core.ZAI_DEFAULT_TIMEOUT, max_retries=zai.core.ZAI_DEFAULT_MAX_RETRIES
    )
    assert (client.timeout, client.max_retries) == ((8.0, 300.0, 300.0, 300.0), 3)


def test_exceptions_are_constructed_as_in_zai_sdk(client_of):
    request = httpx2.Request("GET", "http://x")
    response = httpx2.Response(429, request=request)

    assert APIReachLimitError("slow down", response=response).status_code == 429
    assert zai.APIResponseError("no", request, {"a": 1}).json_data == {"a": 1}
    assert zai.APIConnectionError(request=request).request is request
    assert APITimeoutError(request).message == "Request timed out."
    validation = zai.APIResponseValidationError(response, None)
    assert (validation.status_code, validation.request) == (429, request)


def test_an_errors_text_names_status_and_code_and_its_message_is_the_servers_alone(client_of):
    reply = Reply(
        b'{"error":{"code":"1302","message":"too many"}}', status=429, headers={"x-request-id": "r-7"}
    )
    with ScriptedServer(reply) as server, pytest.raises(APIStatusError) as caught:
        client_of(server, max_retries=0).chat.completions.create(model="m", messages=MESSAGES)
    assert str(caught.value) == "too many (status 429, code 1302)"
    assert (caught.value.message, caught.value.code) == ("too many", "1302")
    assert caught.value.request_id == "r-7"
    assert caught.value.body == {"error": {"code": "1302", "message": "too many"}}
