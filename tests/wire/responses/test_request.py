import json

import msgspec
import pytest

from codex_request import CODEX
from headrace.errors import HeadraceError, RequestError
from headrace.wire import encode_request
from headrace.wire.decode_request import decode_stored_request
from headrace.wire.responses import decode_response_request, encode_response_error, form_of
from headrace.wire.responses.errors import status_of
from headrace.wire.responses.request import ECHOED

TOOL = {"type": "function", "name": "add", "parameters": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def decode(**fields):
    return decode_response_request(json.dumps({"model": "glm-4.6", "input": "Hi", **fields}).encode())


def error_of(**fields):
    with pytest.raises(RequestError) as caught:
        decode(**fields)
    return json.loads(encode_response_error(caught.value))["error"]


def test_the_fields_of_a_chat_completion():
    request = decode(
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.9,
        parallel_tool_calls=False,
        reasoning={"effort": "max", "summary": "auto"},
        tools=[TOOL],
        tool_choice={"type": "function", "name": "add"},
        top_k=5,
        seed=7,
    )
    chat = request.chat

    assert (chat.max_tokens, chat.temperature, chat.top_p, chat.seed) == (9, 0.5, 0.9, 7)
    assert (chat.reasoning_effort, chat.parallel_tool_calls, chat.extra) == ("max", False, {"top_k": 5})
    assert chat.tool_choice == {"type": "function", "function": {"name": "add"}}
    assert chat.stream
    assert chat.tool_stream


def test_there_is_no_limit_of_tokens_unless_the_client_has_one():
    assert decode().chat.max_tokens is None


@pytest.mark.parametrize("text", [{}, {"verbosity": "low"}, {"format": {"type": "text"}}, {"format": None}])
def test_a_text_without_a_format_is_text(text):
    assert decode(text=text).chat.response_format.type == "text"


def test_a_schema_is_that_of_a_chat_completion():
    format = {"type": "json_schema", "name": "thing", "strict": True, "schema": SCHEMA}
    chat = decode(text={"format": format}).chat

    assert chat.response_format.json_schema == {"name": "thing", "strict": True, "schema": SCHEMA}


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh", "max", None])
def test_every_effort_is_accepted_and_repeated(effort):
    request = decode(reasoning={"effort": effort})

    assert request.chat.reasoning_effort == effort
    assert form_of(request.chat).fields["reasoning"] == {"effort": effort, "summary": None}


def test_every_unknown_field_is_tolerated():
    client_metadata = {"x-codex-installation-id": "1"}
    request = decode(
        client_metadata=client_metadata, prompt_cache_retention="24h", include=["x"], max_tool_calls=3
    )

    assert request.chat.messages[0].content == "Hi"


def test_null_means_absent_everywhere():
    nothing = dict.fromkeys(ECHOED.keys() - {"model"})

    assert decode(**nothing, include=None, stream=None, conversation=None) == decode()


def test_what_the_client_sent_is_repeated():
    fields = decode(
        metadata={"a": "b"}, tools=[TOOL], text={"verbosity": "low"}, user="u"
    ).chat.answer_options["responses"]["fields"]

    assert (fields["metadata"], fields["tools"], fields["user"]) == ({"a": "b"}, [TOOL], "u")
    assert fields["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert fields.keys() == ECHOED.keys()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (False, True, False)),
        ({"stream": True, "store": False}, (True, False, False)),
        ({"background": True}, (False, True, True)),
    ],
)
def test_how_the_client_receives_the_answer(fields, expected):
    request = decode(**fields)

    assert (request.stream, request.store, request.background) == expected


def test_what_the_model_does_not_get_is_reported():
    items = [{"type": "web_search_call"}, {"role": "user", "content": "Hi"}]
    left_out = decode(input=items, tools=[{"type": "web_search"}]).left_out

    assert left_out == ('input[0].type is "web_search_call"', 'tools[0].type is "web_search"')


def test_the_request_for_the_model_survives_a_store():
    items = [
        {"role": "user", "content": "Hi"},
        {"type": "function_call", "call_id": "1", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "3"},
    ]
    chat = decode(input=items, tools=[TOOL], text={"format": {"type": "json_object"}}, top_k=5).chat

    stored = decode_stored_request(encode_request(chat))

    assert form_of(stored) == form_of(chat)
    assert msgspec.structs.replace(stored, answer_options={}) == msgspec.structs.replace(
        chat, answer_options={}
    )


def test_a_request_that_is_as_large_as_the_limit_allows_survives_a_store():
    items = [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}] * 5000

    assert len(decode_stored_request(encode_request(decode(input=items).chat)).messages) == 5000


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, None),
        ({"input": None}, None),
        ({"model": 7}, "model"),
        ({"input": 7}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"role": "developer", "content": "a"}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "x"}]}]}, "input[0].content[0].type"),
        ({"instructions": 7}, "instructions"),
        ({"stream": "yes"}, "stream"),
        ({"store": 1}, "store"),
        ({"background": True, "store": False}, "background"),
        ({"include": "all"}, "include"),
        ({"metadata": []}, "metadata"),
        ({"reasoning": "high"}, "reasoning"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"text": []}, "text"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": {}, "schema": {}}}}, "text.format.type"),
        ({"text": {"format": {"type": "xml", "schema": {}}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 7}, "top_p"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"include": ["message.output_text.logprobs"]}, "logprobs"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tool_choice": 7}, "tool_choice"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"previous_response_id": 7}, "previous_response_id"),
    ],
)
def test_an_error_has_the_form_of_openai_and_names_the_field(fields, param):
    error = error_of(**fields)

    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_request")
    assert error["param"] == param or error["message"].startswith(f"{next(iter(fields))} is missing")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"a"', b"\xff", b"1" * 10])
def test_a_body_that_is_no_object_is_an_error(body):
    with pytest.raises(RequestError, match="the body"):
        decode_response_request(body)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("1211", 404, "model_not_found"),
        ("1261", 400, "context_length_exceeded"),
        ("1302", 429, "rate_limit_exceeded"),
        ("1113", 429, "insufficient_quota"),
        ("1002", 401, "invalid_api_key"),
        ("1220", 403, "forbidden"),
        ("1234", 500, "server_error"),
    ],
)
def test_the_codes_by_which_clients_decide_on_a_retry(code, status, expected):
    error = HeadraceError("wrong", code=code)

    assert status_of(error) == status
    assert json.loads(encode_response_error(error))["error"]["code"] == expected


def test_an_error_of_the_planner_names_the_item():
    sources = decode(
        instructions="a", input=[{"role": "user", "content": "Hi"}, {"role": "user", "content": "b"}]
    ).sources
    error = RequestError('messages[2].content[0].type is "image_url"; this model accepts only text parts')

    sources.rename(error)
    assert error.public.startswith("input[1].content[0].type is")


def test_an_error_about_a_tool_names_its_place_among_all_tools():
    named = {"type": "function", "name": "f"}
    tools = [{"type": "web_search"}, named, {"type": "namespace", "name": "n", "tools": [named]}]
    sources = decode(input="Hi", tools=tools).sources
    errors = [RequestError(f"tools[{index}].function.parameters.a.$ref is 5") for index in range(2)]
    for error in errors:
        sources.rename(error)
    params = [json.loads(encode_response_error(error))["error"]["param"] for error in errors]

    assert params == ["tools[1].parameters.a.$ref", "tools[2].tools[0].parameters.a.$ref"]


def test_a_request_as_codex_sends_it():
    request = decode_response_request(json.dumps(CODEX).encode())
    messages = request.chat.messages

    assert [message.role for message in messages] == [
        "system", "user", "user", "assistant", "tool", "tool", "assistant",
    ]  # fmt: skip
    assert messages[0].content == "Codex\n\nRulesRulesRules"
    assert [call.function.name for call in messages[3].tool_calls] == ["multi_agent_v1__spawn", "apply_patch"]
    assert messages[-1].reasoning_content == "Well"
    assert [tool["function"]["name"] for tool in request.chat.tools] == [
        "add",
        "multi_agent_v1__spawn",
        "apply_patch",
    ]
    assert (request.chat.reasoning_effort, request.chat.max_tokens) == ("xhigh", None)
    assert len(request.left_out) == 2
    assert form_of(request.chat).encrypted
