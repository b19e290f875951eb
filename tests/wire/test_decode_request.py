import json
import re
from pathlib import Path

import pytest

from headrace.errors import RequestError
from headrace.wire import ChatRequest, decode_request
from headrace.wire.json_value import MAX_DEPTH
from headrace.wire.request import INTERNAL_FIELDS, encode_request
from headrace.wire.translation import ABSENT, TRANSLATED
from headrace.wire.unsupported import REJECTED, WITHOUT_EFFECT

DOCS = Path(__file__).parents[2] / "docs"
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


def decode(**fields):
    return decode_request(json.dumps({"model": "glm-4.6", "messages": HELLO, **fields}).encode())


def test_a_minimal_request_gets_the_documented_defaults():
    request = decode()

    assert (request.model, request.stream, request.tool_stream) == ("glm-4.6", False, False)
    assert request.wants_thinking
    assert request.thinking.clear_thinking
    assert request.do_sample
    assert request.temperature is None


def test_every_field_of_a_request_has_a_row_in_the_docs():
    page = (DOCS / "wire.md").read_text()
    table = page.partition("## 1. Request")[2].partition("### 1.1")[0]
    rows = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))

    assert rows == set(ChatRequest.__struct_fields__) - INTERNAL_FIELDS


@pytest.mark.parametrize("name", [*ChatRequest.__struct_fields__, *TRANSLATED, *REJECTED, *WITHOUT_EFFECT])
def test_null_means_absent(name):
    if name not in ("model", "messages"):
        assert decode(**{name: None}) == decode()


@pytest.mark.parametrize(("name", "value"), ABSENT.items())
def test_the_values_that_other_apis_use_for_null_mean_absent(name, value):
    assert decode(**{name: value}) == decode()


def test_null_within_thinking_means_absent():
    assert decode(thinking={"type": None, "clear_thinking": False}).wants_thinking


def test_clear_thinking_alone_is_legal():
    request = decode(thinking={"clear_thinking": False})

    assert request.wants_thinking
    assert not request.thinking.clear_thinking


@pytest.mark.parametrize("effort", ["none", "minimal"])
def test_no_effort_means_no_thinking(effort):
    assert not decode(reasoning_effort=effort).wants_thinking


@pytest.mark.parametrize(
    "name", ["max_tokens", "max_completion_tokens", "seed", "random_seed", "min_tokens", "top_k"]
)
def test_an_integer_may_be_written_with_a_fraction_of_zero(name):
    assert decode(**{name: 5.0}) == decode(**{name: 5})


def test_the_id_of_a_bias_may_be_written_with_a_fraction_of_zero():
    assert decode(logit_bias=[[7.0, 1]]) == decode(logit_bias=[[7, 1]])


def test_arguments_are_objects_or_text_in_messages_of_every_role():
    messages = [
        {"role": role, "content": "c", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}
        for role in ("system", "user", "assistant", "tool")
    ]

    for message in decode(messages=messages).messages:
        assert message.tool_calls[0].function.arguments == '{"a":1}'


def test_unknown_fields_are_ignored():
    assert decode(watermark={"a": 1}) == decode()


@pytest.mark.parametrize("name", sorted(INTERNAL_FIELDS - {"extra"}))
def test_a_client_cannot_set_what_is_internal(name):
    assert decode(**{name: True}) == decode(**{name: {"a": 1}}) == decode()


def test_an_older_version_finds_a_stored_request_without_tools_the_same():
    assert json.loads(encode_request(decode()))["tools"] is None  # it was once the default


def test_tools_are_kept_as_sent():
    tool = {"type": "function", "x-note": 1, "function": {"parameters": {"type": "object"}, "name": "f"}}

    assert decode(tools=[tool]).tools == [tool]


def test_tool_choice_none_is_as_if_there_were_no_tools():
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}

    assert decode(tools=[tool]).schemas == {"f": {"type": "object"}}
    request = decode(tools=[tool], tool_choice="none")
    assert (request.schemas, request.tools) == ({}, [])


def test_a_request_id_may_be_a_number():
    assert decode(request_id=1234567.5).request_id == "1234567.5"


def test_content_may_be_a_list_of_text_parts_for_every_role():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    request = decode(messages=[{"role": role, "content": parts} for role in ("system", "user", "assistant")])

    assert [message.text for message in request.messages] == ["ab"] * 3


def test_stop_may_be_one_string():
    assert decode(stop="END").stops == ["END"]


WRONG = [
    # what is sent, the code, what the message must name
    ({"messages": []}, "1214", ["messages", "[]"]),
    ({"messages": [{"role": "system", "content": "x"}]}, "1214", ["messages", "system", "user"]),
    ({"messages": [{"role": "robot", "content": "x"}]}, "1214", ["messages[0].role", '"robot"', "assistant"]),
    ({"messages": [{"role": "user"}]}, "1213", ["messages[0].content"]),
    ({"messages": [{"content": "x"}]}, "1213", ["messages[0].role"]),
    ({"messages": "hello"}, "1214", ["messages", '"hello"', "a list"]),
    ({"messages": [{"role": "user", "content": 5}]}, "1214", ["messages[0].content", "5"]),
    ({"model": 5}, "1214", ["model", "5", "a string"]),
    ({"model": None}, "1213", ["model"]),
    ({"stream": "yes"}, "1214", ["stream", '"yes"', "true or false"]),
    ({"tool_stream": True}, "1215", ["tool_stream", "stream"]),
    ({"temperature": 3}, "1214", ["temperature", "3", "0", "2"]),
    ({"temperature": "hot"}, "1214", ["temperature", '"hot"', "a number"]),
    ({"top_p": 0}, "1214", ["top_p", "0.01"]),
    ({"max_tokens": 0}, "1214", ["max_tokens", "0"]),
    ({"max_tokens": 1.5}, "1214", ["max_tokens", "1.5", "an integer"]),
    ({"stop": ["a"] * 5}, "1214", ["stop", "5", "4"]),
    ({"stop": [""]}, "1214", ["stop"]),
    ({"thinking": {"type": "maybe"}}, "1214", ["thinking.type", '"maybe"', '"disabled" or "enabled"']),
    ({"reasoning_effort": "huge"}, "1214", ["reasoning_effort", '"huge"', '"low"']),
    ({"tools": [{"type": "web_search", "web_search": {}}]}, "1210", ["tools[0].type", '"web_search"']),
    ({"tools": [{"type": "function"}]}, "1213", ["tools[0].function"]),
    ({"tools": [{"type": "function", "function": {"name": "bad name!"}}]}, "1214", ["tools[0]", "bad name!"]),
    ({"tools": [WEATHER, WEATHER]}, "1214", ["tools[1].function.name", "get_weather"]),
    ({"tools": [WEATHER] * 129}, "1214", ["tools", "129", "128"]),
    ({"tool_choice": "always"}, "1214", ["tool_choice", '"always"', '"required" or an object']),
    ({"tool_choice": "required"}, "1215", ["tool_choice", "tools"]),
    ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "1214", ["tool_choice", '"f"']),
    ({"response_format": {"type": "xml"}}, "1214", ["response_format.type", '"xml"', '"json_object"']),
    ({"request_id": "r" * 65}, "1214", ["request_id", "65", "1 to 64"]),
    ({"user_id": "u" * 129}, "1214", ["user_id", "129", "1 to 128"]),
    ({"user_id": True}, "1214", ["user_id is true", "a string"]),
    ({"n": True}, "1212", ["n is true"]),
    (
        {"tools": [{"type": "retrieval", "retrieval": {"enable": False}}] * 129},
        "1214",
        ["tools", "129", "128"],
    ),
    ({"max_completion_tokens": 0}, "1214", ["max_completion_tokens", "0", "between 1"]),
    ({"max_completion_tokens": "x"}, "1214", ["max_completion_tokens", '"x"', "an integer"]),
    ({"max_tokens": "x", "max_completion_tokens": 5}, "1214", ["max_tokens", '"x"', "an integer"]),
    ({"random_seed": 2**63}, "1214", ["random_seed", "between"]),
    ({"enable_thinking": "yes"}, "1214", ["enable_thinking", '"yes"', "true or false"]),
    ({"reasoning": "high"}, "1214", ["reasoning", '"high"', "an object"]),
    ({"reasoning": {"effort": "huge"}}, "1214", ["reasoning.effort", '"huge"', '"low"']),
    ({"chat_template_kwargs": {"thinking": 1}}, "1214", ["chat_template_kwargs.thinking", "true or false"]),
    ({"chat_template_kwargs": "x"}, "1214", ["chat_template_kwargs", '"x"', "an object"]),
    ({"parallel_tool_calls": 1}, "1214", ["parallel_tool_calls", "1", "true or false"]),
]


@pytest.mark.parametrize(("fields", "code", "named"), WRONG)
def test_an_invalid_field_is_named_with_its_value(fields, code, named):
    with pytest.raises(RequestError) as caught:
        decode(**fields)

    assert (code, 400) == (caught.value.code, caught.value.status)
    for word in named:
        assert word in caught.value.message


def test_null_within_a_message_means_absent():
    call = {"id": None, "type": None, "function": {"name": "f", "arguments": None}}
    _, answer = decode(
        messages=[
            {"role": "user", "content": [{"type": None, "text": "Hi"}], "name": None},
            {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": None},
        ]
    ).messages

    assert (answer.tool_calls[0].id, answer.tool_calls[0].function.arguments) == ("", "{}")


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nul", b'{"model": "\xff"}', b'{"a":1}x', b'{"a": NaN}', b'{"a": "\n"}']
)
def test_a_body_that_is_not_json_is_rejected(body):
    with pytest.raises(RequestError, match="not valid JSON") as caught:
        decode_request(body)

    assert caught.value.code == "1210"


@pytest.mark.parametrize("body", [b"[]", b'"hello"', b"3", b"null"])
def test_a_body_that_is_not_an_object_is_rejected(body):
    with pytest.raises(RequestError, match="must be a JSON object"):
        decode_request(body)


def test_a_long_value_is_truncated_in_the_message():
    with pytest.raises(RequestError) as caught:
        decode(temperature="x" * 10_000)

    assert len(caught.value.message) < 200


DEPTHS = [MAX_DEPTH + 1, 300, *range(960, 1000), 5000, 20_000]


@pytest.mark.parametrize("field", ["messages", "tools", "user_id", "thinking", "logit_bias", "unknown"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_a_field_that_is_nested_too_deeply_is_named_at_every_depth(field, opening, closing):
    for depth in DEPTHS:
        value = opening * depth + "1" + closing * depth
        body = f'{{"model": "m", "stop": ["{field}"], "{field}": {value}, "top_k": 1}}'

        with pytest.raises(RequestError, match=f"^{field} is nested more than {MAX_DEPTH} levels deep"):
            decode_request(body.encode())


def test_arguments_that_are_nested_too_deeply_are_named_at_every_depth():
    for depth in DEPTHS:
        call = {"function": {"name": "f", "arguments": '{"a":' * (depth + 1) + "1" + "}" * (depth + 1)}}

        with pytest.raises(RequestError, match="arguments is .* is nested more than"):
            decode(messages=[*HELLO, {"role": "assistant", "tool_calls": [call]}])


@pytest.mark.parametrize(
    "field", ["user_id", "temperature", "thinking", "stop", "response_format", "tool_choice"]
)
def test_every_other_depth_is_accepted_or_has_a_wrong_type(field):
    for depth in range(1, MAX_DEPTH + 1):
        value = json.loads("[" * depth + "]" * depth)

        assert decode(messages=HELLO, unknown=value).model
        with pytest.raises(RequestError, match=field):
            decode(messages=HELLO, **{field: value or [1]})


def test_a_body_that_is_nothing_but_nested_is_rejected():
    with pytest.raises(RequestError, match="is nested more than"):
        decode_request(DEEP)


def test_half_of_a_surrogate_pair_is_replaced():
    """`json.loads` reads it, UTF-8 has no bytes for it, and JavaScript sends it for half an emoji."""
    body = r'{"model": "m", "messages": [{"role": "user", "content": "a\ud83d \ud83d\ude00"}]}'

    assert decode_request(body.encode()).messages[0].text == "a\ufffd 😀"


@pytest.mark.parametrize("arguments", ['{"a":1e999}', r'{"a":"\ud800"}', '{"a":' + "1" * 400 + "}"])
def test_whatever_json_loads_reads_can_be_sent_back_as_arguments(arguments):
    call = {"function": {"name": "f", "arguments": arguments}}

    assert decode(messages=[*HELLO, {"role": "assistant", "tool_calls": [call]}]).messages[1].tool_calls
