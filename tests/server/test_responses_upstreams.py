"""OpenAI's Responses for models of another server, which renders and parses: engine `chat`."""

import httpx2
import pytest

from headrace.models.loading import load_model
from headrace.models.settings import ChatSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings
from response_client import PATH, create, stream, text_of
from scripted_server import Reply, ScriptedServer, chunk, sse
from scripted_server import stream as chunks

IMAGE = "data:image/png;base64,iVBORw0KGgo"
SHOWN = {"type": "input_image", "image_url": IMAGE, "detail": "high"}
SENT = {"type": "image_url", "image_url": {"url": IMAGE, "detail": "high"}}
CALL = {"type": "function_call", "call_id": "1", "name": "view", "arguments": "{}"}
PATCH = {"type": "custom", "name": "patch"}


@pytest.fixture
def ask():
    """Serve models of an upstream with this reply; return a client and the upstream."""
    opened = []

    def start(*replies):
        upstream = ScriptedServer(*replies)
        opened.append(upstream.__enter__())
        url = (upstream.url,)
        models = [
            load_model("sees", ChatSettings(url=url, upstream_model="glm-4.6v")),
            load_model("glm-4.6", ChatSettings(url=url, upstream_model="glm-4.6")),
        ]
        server = LocalServer(App(ModelRegistry(models), Settings()))
        opened.append(server.__enter__())
        client = httpx2.Client(base_url=server.url, trust_env=False)
        opened.append(client)
        return client, upstream

    yield start
    for each in reversed(opened):
        each.__exit__(None, None, None)


def calling(name, *arguments):
    """Return a stream with a call, its arguments in fragments, and thinking before."""
    first = {"index": 0, "id": "call_u", "type": "function", "function": {"name": name, "arguments": ""}}
    deltas = [{"reasoning_content": "Hm."}, {"tool_calls": [first]}]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": text}}]} for text in arguments]
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    end = chunk(delta={}, finish_reason="tool_calls", usage=usage)
    return Reply([*(sse(chunk(delta=delta)) for delta in deltas), sse(end), sse("[DONE]")])


def test_images_of_users_and_of_tools_go_to_a_model_that_accepts_them(ask):
    client, upstream = ask(Reply(chunks("A ", "cat")))
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "See:"}, SHOWN]},
        CALL,
        {"type": "function_call_output", "call_id": "1", "output": [SHOWN]},
    ]

    assert text_of(create(client, model="sees", input=items)) == "A cat"
    user, _, tool = upstream.asked[-1].body["messages"]
    assert user["content"] == [{"type": "text", "text": "See:"}, SENT]
    assert tool["content"] == [SENT]


def test_a_model_without_images_names_the_part(ask):
    client, upstream = ask(Reply(chunks("Hi")))
    items = [
        {"role": "user", "content": "a"},
        CALL,
        {**CALL, "type": "function_call_output", "output": [SHOWN]},
    ]
    error = create(client, input=items, status=400)["error"]

    assert (error["code"], error["param"]) == ("invalid_request", "input[2].output[0].type")
    assert upstream.asked == []


def test_the_upstream_gets_the_fields_that_it_has(ask):
    client, upstream = ask(Reply(chunks("{}")))
    schema = {"type": "object", "properties": {}}
    format = {"type": "json_schema", "name": "thing", "schema": schema}
    tool = {"type": "function", "name": "view"}
    create(client, max_output_tokens=50, temperature=0.5, text={"format": format}, tools=[tool, PATCH])
    body = upstream.asked[-1].body

    assert (body["max_tokens"], body["temperature"], body["stream"]) == (50, 0.5, True)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["view", "patch"]
    assert body["response_format"]["type"] == "json_schema"


def test_a_custom_tool_of_an_upstream_is_free_text_as_it_arrives(ask):
    client, _ = ask(calling("patch", '{"inp', 'ut": "a\\', "nb", '"}'))
    reader = stream(client, tools=[PATCH])
    reasoning, call = reader.response["output"]

    assert reasoning["summary"][0]["text"] == "Hm."
    assert (call["type"], call["name"], call["input"]) == ("custom_tool_call", "patch", "a\nb")


def test_arguments_that_are_not_json_fail_so_that_the_request_is_repeated(ask):
    client, _ = ask(calling("patch", "*** Begin", " Patch"))
    reader = stream(client, tools=[PATCH])

    assert reader.response["error"]["code"] == "server_error"
    assert [item["type"] for item in reader.done.values()] == ["reasoning"]


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (
            Reply(b'{"error":{"message":"prompt is too long","code":"1261"}}', status=400),
            400,
            "context_length_exceeded",
        ),
        (Reply(b"busy", status=429, headers={"retry-after": "7"}), 429, "rate_limit_exceeded"),
        (Reply(b"broken", status=500), 500, "server_error"),
    ],
)
def test_an_error_of_the_upstream_has_the_code_of_openai(ask, reply, status, code):
    client, _ = ask(reply)
    response = client.post(PATH, json={"model": "glm-4.6", "input": "Hi", "stream": True})

    assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.text


def test_an_upstream_that_is_cut_off_ends_the_response_as_failed(ask):
    client, _ = ask(Reply([sse(chunk("Once"))], end="cut"))
    response = stream(client).response

    assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
    assert response["output"][0]["status"] == "incomplete"
