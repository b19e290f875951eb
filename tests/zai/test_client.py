"""Clients and a server: requests, responses, exceptions."""

import copy
import json
import pickle

import httpx2
import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, sse, stream

MESSAGES = [{"role": "user", "content": "Hello"}]
ANSWER = (
    b'{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"Hi","role":"assistant"}}],'
    b'"created":1,"id":"1","model":"m","object":"chat.completion","request_id":"r",'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
)


def client_of(server, **options):
    return zai.ZaiClient(api_key="id.secret", base_url=server.url, **options)


def test_a_completion_has_its_attributes():
    with ScriptedServer(Reply(ANSWER)) as server, client_of(server) as client:
        answer = client.chat.completions.create(model="m", messages=MESSAGES)
    assert answer.choices[0].message.content == "Hi"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 3
    assert answer.request_id == "r"


def test_a_stream_has_its_chunks_finish_reason_and_usage():
    with ScriptedServer(Reply(stream("Hel", "lo"))) as server, client_of(server) as client:
        answer = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        texts = [chunk.choices[0].delta.content for chunk in answer]
        assert texts == ["Hel", "lo", ""]
        assert answer.finish_reason == "stop"
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 2


def test_the_request_has_the_arguments_and_nothing_else():
    with ScriptedServer(Reply(stream("a"))) as server, client_of(server) as client:
        answer = client.chat.completions.create(
            model="m",
            messages=MESSAGES,
            stream=True,
            tool_stream=True,
            temperature=1.0,
            top_p=1.0,
            max_tokens=None,
            stop=zai.NOT_GIVEN,
            extra_body={"private": None},
            extra_headers={"X-One": "1"},
        )
        list(answer)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/api/paas/v4/chat/completions")
    assert asked.body == {
        "model": "m",
        "messages": MESSAGES,
        "stream": True,
        "tool_stream": True,
        "temperature": 1.0,
        "top_p": 1.0,
        "private": None,
    }
    assert asked.headers["authorization"] == "Bearer id.secret"
    assert asked.headers["x-one"] == "1"
    assert asked.headers["accept"] == "text/event-stream"


def test_the_callers_messages_are_not_modified():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,abc"}}
    messages = [{"role": "user", "content": [image]}]
    with ScriptedServer(Reply(ANSWER)) as server, client_of(server) as client:
        client.chat.completions.create(model="m", messages=messages)
    assert image["image_url"]["url"] == "data:image/png;base64,abc"
    assert server.asked[0].body["messages"] == messages


def test_a_completions_message_can_be_sent_back():
    with ScriptedServer(Reply(ANSWER)) as server, client_of(server) as client:
        message = client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message
        client.chat.completions.create(model="m", messages=[*MESSAGES, message, *MESSAGES])
    assert server.asked[1].body["messages"][1] == {"role": "assistant", "content": "Hi"}


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (400, zai.APIRequestFailedError),
        (401, zai.APIAuthenticationError),
        (404, zai.APIStatusError),
        (429, zai.APIReachLimitError),
        (500, zai.APIInternalError),
        (503, zai.APIServerFlowExceedError),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_each_status_has_its_class_and_the_servers_message(status, error_class, streamed):
    reply = Reply(b'{"error":{"code":"1214","message":"messages is []"}}', status=status)
    with (
        ScriptedServer(reply) as server,
        client_of(server, max_retries=0) as client,
        pytest.raises(error_class, match="messages is \\[\\]") as caught,
    ):
        client.chat.completions.create(model="m", messages=MESSAGES, stream=streamed)
    assert type(caught.value) is error_class
    assert caught.value.status_code == status
    assert caught.value.code == "1214"
    assert caught.value.response.status_code == status


def test_an_http_client_that_was_passed_is_used_and_closed():
    own = httpx2.Client()
    with ScriptedServer(Reply(ANSWER)) as server:
        client = client_of(server, http_client=own)
        client.chat.completions.create(model="m", messages=MESSAGES)
        client.close()
    assert own.is_closed
    assert client.is_closed()


@pytest.mark.parametrize("streamed", [True, False])
def test_a_received_message_is_sent_back_unchanged(streamed):
    call = {"id": "call_1", "index": 0, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    received = {"role": "assistant", "content": "", "reasoning_content": "Hm", "tool_calls": [call]}
    frames = [sse(chunk(delta=received)), *stream(reason="tool_calls")]
    choice = {"index": 0, "finish_reason": "tool_calls", "message": received}
    reply = Reply(frames if streamed else json.dumps({"choices": [choice]}).encode())
    with ScriptedServer(reply) as server, client_of(server) as client:
        completions = client.chat.completions
        answer = completions.create(model="m", messages=MESSAGES, stream=streamed)
        message = (answer.collect() if streamed else answer).choices[0].message
        completions.create(model="m", messages=[*MESSAGES, message], stream=streamed)
    assert server.asked[1].body["messages"] == [*MESSAGES, received]


def test_a_stream_continues_after_its_client_was_closed():
    with ScriptedServer(Reply(stream("Hel", "lo"))) as server:
        with client_of(server) as client:
            answer = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert answer.collect().choices[0].message.content == "Hello"


def test_a_closed_client_raises():
    with ScriptedServer(Reply(ANSWER)) as server:
        used, unused = client_of(server), client_of(server)
        used.chat.completions.create(model="m", messages=MESSAGES)
        for client in (used, unused):
            client.close()
            with pytest.raises(zai.ZaiError, match="this client is closed; create another"):
                client.models.list()
    assert len(server.asked) == 1


async def test_a_closed_client_for_asyncio_raises():
    client = zai.AsyncZaiClient(api_key="id.secret", base_url="http://127.0.0.1:1")
    await client.close()
    with pytest.raises(zai.ZaiError, match="this client is closed; create another"):
        await client.models.list()


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_exceptions_can_be_copied_and_pickled(again):
    cut = Reply(stream("a")[:1])
    with ScriptedServer(Reply(b'{"error":{"code":"1214","message":"no"}}', status=400), cut) as server:
        with client_of(server, max_retries=0) as client:
            with pytest.raises(zai.APIRequestFailedError) as refused:
                client.chat.completions.create(model="m", messages=MESSAGES)
            with pytest.raises(zai.APIStreamTruncatedError) as truncated:
                client.chat.completions.create(model="m", messages=MESSAGES, stream=True).collect()
    assert type(again(refused.value)) is zai.APIRequestFailedError
    assert (str(again(refused.value)), again(refused.value).code) == ("no (status 400, code 1214)", "1214")
    assert again(refused.value).response.status_code == 400
    assert again(truncated.value).partial == truncated.value.partial
