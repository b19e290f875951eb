"""Programs for PyPI's zai-sdk run unchanged, each in an interpreter that has imported nothing else.

The fresh interpreter matters: once any test has imported `zai.core._errors`, it is an attribute of `zai.core`
everywhere. docs/sdk.md lists what is different on purpose.
"""

import inspect
import json
import os
import pickle
import subprocess
import sys

import httpx2
import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, sse, stream
from zai import drop_in

MESSAGE = {"role": "assistant", "content": "Good day"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
WHOLE = {"id": "a1", "choices": [{"index": 0, "finish_reason": "stop", "message": MESSAGE}], "usage": USAGE}
BUSY = {"error": {"code": "1302", "message": "too many at once"}}
UNSAFE = {
    "error": {"code": "1301", "message": "unsafe"},
    "contentFilter": [{"role": "assistant", "level": 1}],
}


def run(program, *replies):
    """Run a program in a fresh interpreter, against a server with these replies."""
    with ScriptedServer(*replies) as server:
        environment = {**os.environ, "ZAI_BASE_URL": server.url, "ZAI_API_KEY": "id.secret"}
        command = [sys.executable, "-W", "error", "-c", program]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr
    return server.asked


def whole(body=WHOLE, status=200):
    return Reply(json.dumps(body).encode(), status=status)


# --- what programs import ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program",
    [
        "import zai; zai.core._errors.APIStatusError, zai.core._streaming.StreamResponse, zai.core._jwt_token",
        """
from zai.api_resource.chat.completions import ChatCompletionChunk, Completion, Completions, StreamResponse
from zai.api_resource.chat.async_completions import AsyncCompletions, AsyncTaskStatus
import zai.api_resource.chat.chat as chat
from zai._client import ZaiClient, ZhipuAiClient
assert type(ZaiClient().chat) is chat.Chat and type(ZaiClient().chat.completions) is Completions
""",
        """
from zai.types.files import FileObject
from zai.types.video.video_object import VideoObject
import zai.types.ocr.layout_parsing_resp as ocr
from zai.types.chat.code_geex.code_geex_params import CodeGeexExtra
assert ocr.LayoutParsingResp and FileObject(id="1").id == "1"
""",
    ],
)
def test_import_paths_of_zai_sdk_need_no_other_import(program):
    run(program)


def test_every_registered_module_has_its_names_and_no_others():
    for resource, names in drop_in._TYPES.items():
        package = sys.modules[f"zai.types.{resource}"]
        for name in names.split():
            if name.islower():
                assert sys.modules[f"zai.types.{resource}.{name}"] is package
            else:
                made = getattr(package, name)
                assert made is getattr(package, name)
                assert pickle.loads(pickle.dumps(made(id="1", size=2))).size == 2
        with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
            _ = package.Nothing


OFFICIAL = (
    "model request_id user_id do_sample stream temperature top_p max_tokens seed messages stop sensitive_word_check tools"
    " tool_choice meta extra extra_headers extra_body timeout response_format thinking watermark_enabled tool_stream"
)


@pytest.mark.parametrize("client_class", [zai.ZaiClient, zai.AsyncZaiClient])
def test_the_arguments_of_create_can_be_inspected(client_class):
    chat = client_class(api_key="a.b").chat
    parameters = inspect.signature(chat.completions.create).parameters
    assert set(OFFICIAL.split()) <= set(parameters)
    assert {*parameters} - {"stream"} <= {*inspect.signature(chat.asyncCompletions.create).parameters}
    required = [name for name, each in parameters.items() if each.default is inspect.Parameter.empty]
    assert {*required} == {"model", "messages", "params"}


def test_a_call_without_model_or_messages_is_a_type_error():
    client = zai.ZaiClient(api_key="a.b")
    for call in (client.chat.completions.create, client.chat.asyncCompletions.create):
        with pytest.raises(TypeError, match="keyword arguments: model$"):
            call(messages=[])
        with pytest.raises(TypeError, match="keyword arguments: messages, model$"):
            call()


# --- clients -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (httpx2.Client(timeout=0.3), 0.3),
        (httpx2.Client(timeout=None), None),
        (httpx2.Client(timeout=httpx2.Timeout(5, read=7)), 7),
        (httpx2.Client(), 300),  # the library's default is not the caller's choice
    ],
)
def test_the_timeout_of_an_http_client_is_the_default(own, expected):
    assert zai.ZaiClient(api_key="a.b", http_client=own).timeout.read == expected
    assert zai.ZaiClient(api_key="a.b", http_client=own, timeout=9).timeout == (9, 9, 9, 9)
    assert zai.ZaiClient(api_key="a.b", http_client=own, timeout=None).timeout.read is None


def test_the_timeout_of_an_http_client_holds(client_of):
    own = httpx2.Client(timeout=0.2)
    with (
        ScriptedServer(Reply(headers={"x-wait": "30"})) as server,
        pytest.raises(zai.APITimeoutError) as caught,
    ):
        client_of(server, http_client=own, max_retries=0).chat.completions.create(model="m", messages=[])
    assert str(caught.value.request.url) == f"{server.url}/chat/completions"


def test_timeouts_have_their_parts():
    assert (zai.core.ZAI_DEFAULT_TIMEOUT.connect, zai.core.ZAI_DEFAULT_TIMEOUT.read) == (8, 300)
    assert zai.ZaiClient(api_key="a.b", timeout=5).timeout.connect == 5


@pytest.mark.parametrize("client_class", [zai.ZaiClient, zai.AsyncZhipuAiClient])
def test_a_resource_that_is_out_of_scope_raises_an_error_that_says_so(client_class):
    client = client_class(api_key="a.b")
    for name in ("embeddings", "images", "videos", "files", "layout_parsing", "web_search"):
        with pytest.raises(zai.ZaiError, match=rf"no client\.{name}, only chat completions"):
            getattr(client, name)
        assert not hasattr(client, name)
    with pytest.raises(AttributeError, match="object has no attribute 'nothing'"):
        _ = client.nothing


def test_the_headers_of_a_client_include_its_language():
    assert zai.ZaiClient(api_key="a.b").auth_headers["Accept-Language"] == "en-US,en"
    assert "Accept-Language" not in zai.ZhipuAiClient(api_key="a.b").auth_headers


# --- answers -------------------------------------------------------------------------------------------


def test_answers_have_the_methods_of_pydantic_that_programs_call():
    first, second, _ = run("""
import json
from zai import ZaiClient
from zai.core import StreamResponse
from zai.types.chat import ChatCompletionChunk, Choice, ChoiceDelta, ChoiceDeltaToolCall, CompletionUsage
from zai.types.chat.chat_completion import Completion, CompletionMessage

completions = ZaiClient().chat.completions
answer = completions.create(model="m", messages=[])
assert answer.dict()["choices"][0]["message"]["content"] == "Good day"
assert json.loads(answer.json()) == answer.model_dump()
message = answer.choices[0].message
assert vars(message) == message.__dict__ == {**message.model_dump(), "audio": None, "refusal": None}
assert json.loads(json.dumps([message], default=lambda value: value.__dict__))[0]["content"] == "Good day"
assert message.copy(update={"content": "x"}).content == "x" and message.content == "Good day"
assert answer.model_copy(deep=True).choices[0] is not answer.choices[0]
assert {"role", "content"} == message.model_fields_set < set(CompletionMessage.model_fields)

assert CompletionUsage.construct(prompt_tokens=None, total_tokens=1).completion_tokens is None
assert CompletionUsage.model_construct(total_tokens=2).total_tokens == 2
assert Completion.model_validate(answer.model_dump()) == Completion.model_validate_json(answer.model_dump_json())
assert CompletionMessage(role="user", content="y", name="bob").name == "bob"
assert Completion(choices=[{"index": 0, "message": {"role": "user", "content": "z"}}]).choices[0].message.content == "z"
chunk = ChatCompletionChunk(choices=[Choice(index=0, delta=ChoiceDelta(content="x"))], extra_json={})
assert chunk.extra_json == {} and ChoiceDeltaToolCall(index=0).function is None
completions.create(model="m", messages=[message, message.model_dump()])

def read(response: StreamResponse[ChatCompletionChunk]) -> str:
    return "".join(each.choices[0].delta.content or "" for each in response)

assert read(completions.create(model="m", messages=[], stream=True)) == "Good day"
""", whole(), whole(), Reply(stream("Good ", "day")))  # fmt: skip

    assert first.body["messages"] == []
    assert second.body["messages"] == [
        MESSAGE,
        {**MESSAGE, "reasoning_content": None, "tool_calls": None},
    ]


# --- errors --------------------------------------------------------------------------------------------


def test_errors_are_caught_and_read_as_in_zai_sdk():
    run("""
import zai

completions = zai.ZaiClient(max_retries=0).chat.completions
try:
    completions.create(model="m", messages=[])
except zai.core._errors.APIReachLimitError as error:
    assert not isinstance(error, zai.core.APIResponseError)
    assert error.response.json()["error"]["code"] == "1302" and "1302" in str(error)
else:
    raise AssertionError
try:
    completions.create(model="m", messages=[])
except zai.core.APIStatusError as error:
    assert '"role":"assistant"' in str(error)  # whose text was rejected
else:
    raise AssertionError
for expected in (zai.core.APIResponseError, zai.core.APIReachLimitError):
    try:
        list(completions.create(model="m", messages=[], stream=True))
    except expected as error:
        assert error.response.json() == {"error": {"code": "1302", "message": "too many at once"}}
        assert "1302" in error.response.text and b"1302" in error.response.content
        assert error.json_data["message"] == error.message == "too many at once"
        assert error.status_code == 429 and error.response.headers["x-log-id"] == error.request_id == "9"
        assert error.partial.choices[0].message.content == "Good"
        assert str(error.request.url).endswith("/chat/completions")
    else:
        raise AssertionError
""", whole(BUSY, 429), whole(UNSAFE, 400), Reply([sse(chunk("Good")), sse(BUSY)], headers={"x-log-id": "9"}))  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        sse(BUSY),
        sse(BUSY["error"]),
        sse(BUSY, event="error"),
        b"event: error\ndata: lost\n\n",
        b'{"error":{"code":"1302","message":"too many"}}',
        b"<html>busy</html>",
        b"data: [1]\n\n",
        b"data: {\n\n",
        b'data: {"choices":[]}\n\ndata: 5\n\n',
    ],
)
def test_the_response_of_any_error_can_be_read(body, client_of):
    with ScriptedServer(Reply(body)) as server, pytest.raises(zai.ZaiError) as caught:
        answer = client_of(server, max_retries=0).chat.completions.create(model="m", messages=[], stream=True)
        list(answer)
    response = caught.value.response
    assert response.text.encode() == response.content != b""
    assert response.request.method == "POST"


def test_errors_within_a_stream_can_be_pickled(client_of):
    with ScriptedServer(Reply([sse(BUSY)])) as server, pytest.raises(zai.ZaiError) as caught:
        list(client_of(server, max_retries=0).chat.completions.create(model="m", messages=[], stream=True))
    error = pickle.loads(pickle.dumps(caught.value))
    assert type(error) is type(caught.value)
    assert str(error) == str(caught.value)
    assert (error.code, error.body, error.response.json()) == ("1302", BUSY["error"], BUSY)


def test_no_connection_names_the_request():
    client = zai.ZaiClient(api_key="a.b", base_url="http://127.0.0.1:9", max_retries=0)
    with pytest.raises(zai.APIConnectionError) as caught:
        client.chat.completions.create(model="m", messages=[])
    assert str(caught.value.request.url) == "http://127.0.0.1:9/chat/completions"


async def test_no_connection_names_the_request_in_asyncio():
    async with zai.AsyncZaiClient(api_key="a.b", base_url="http://127.0.0.1:9", max_retries=0) as client:
        with pytest.raises(zai.APIConnectionError) as caught:
            await client.models.list()
    assert str(caught.value.request.url) == "http://127.0.0.1:9/models"
