"""Requests as clients of other APIs write them are decoded as if they were written for Z.ai's."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RequestError
from headrace.wire import decode_request
from headrace.wire.request import RequestFunction

HELLO = {"role": "user", "content": "Hello"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
OFF = {"thinking": {"type": "disabled"}}


def decode(*messages, **fields):
    return decode_request(json.dumps({"model": "m", "messages": [HELLO, *messages], **fields}).encode())


SAME = [
    ({"max_completion_tokens": 5}, {"max_tokens": 5}),
    ({"max_completion_tokens": 5, "max_tokens": 9}, {"max_tokens": 5}),
    ({"max_completion_tokens": 9, "max_tokens": 5}, {"max_tokens": 5}),
    ({"max_completion_tokens": 9, "max_tokens": -1}, {"max_tokens": 9}),
    ({"max_completion_tokens": -1, "max_tokens": 9}, {"max_tokens": 9}),
    ({"random_seed": 7}, {"seed": 7}),
    ({"random_seed": 7, "seed": 8}, {"seed": 8}),
    ({"tool_choice": "any", "tools": [TOOL]}, {"tool_choice": "required", "tools": [TOOL]}),
    (
        {"tool_choice": {"function": {"name": "f"}}, "tools": [TOOL]},
        {"tool_choice": {"type": "function", "function": {"name": "f"}}, "tools": [TOOL]},
    ),
    ({"tools": [{"type": "web_search", "web_search": {"enable": False}}]}, {"tools": []}),
    ({"tools": [{"type": "retrieval", "retrieval": {"enable": False}}, TOOL]}, {"tools": [TOOL]}),
    ({"tools": [{"type": "web_search", "web_search": {"enable": "False"}}]}, {"tools": []}),
    ({"enable_thinking": False}, OFF),
    ({"enable_thinking": True}, {}),
    ({"chat_template_kwargs": {"enable_thinking": False}}, OFF),
    ({"chat_template_kwargs": {"thinking": False}}, OFF),
    ({"chat_template_kwargs": {"clear_thinking": False}}, {"thinking": {"clear_thinking": False}}),
    ({"chat_template_kwargs": {"reasoning_effort": "high"}}, {"reasoning_effort": "high"}),
    ({"reasoning": {"enabled": False}}, OFF),
    ({"reasoning": {"enabled": True, "max_tokens": 100, "exclude": False}}, {}),
    ({"reasoning": {"effort": "high"}}, {"reasoning_effort": "high"}),
    ({"reasoning": {"effort": "none"}}, {"reasoning_effort": "none"}),
    ({"reasoning": {"effort": "default", "summary": "auto"}}, {}),
    ({"reasoning": {"effort": "high"}, "reasoning_effort": "low"}, {"reasoning_effort": "low"}),
    ({"enable_thinking": True, **OFF}, OFF),
    ({"enable_thinking": False, "thinking": {"clear_thinking": False}},
     {"thinking": {"type": "disabled", "clear_thinking": False}}),
    ({"thinking": False}, OFF),
    ({"thinking": True}, {}),
    ({"thinking": "disabled"}, OFF),
    ({"thinking": {"type": False}}, OFF),
    ({"thinking": {"type": "false"}}, OFF),
    ({"thinking": {"type": "Disabled"}}, OFF),
    ({"thinking": {"type": "disable"}}, OFF),
    ({"thinking": {"type": 0}}, OFF),
    ({"thinking": {"type": 1}}, {}),
    ({"user_id": 42}, {"user_id": "42"}),
    ({"user_id": "", "request_id": ""}, {}),
    ({"thinking": {"type": "adaptive", "budget_tokens": 9}}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "meant"), SAME, ids=[json.dumps(sent) for sent, _ in SAME])
def test_a_field_of_another_api_means_the_same_as_one_of_z_ai(sent, meant):
    assert decode(**sent) == decode(**meant)


CALL = {"function": {"name": "f", "arguments": "{}"}}
SAME_MESSAGES = [
    ({"role": "developer", "content": "Be kind"}, {"role": "system", "content": "Be kind"}),
    ({"role": "function", "name": "f", "content": "1"}, {"role": "tool", "name": "f", "content": "1"}),
    ({"role": "assistant", "content": "a", "reasoning": "Hm"}, {"content": "a", "reasoning_content": "Hm"}),
    ({"role": "assistant", "content": "a", "thinking": "Hm"}, {"content": "a", "reasoning_content": "Hm"}),
    ({"role": "assistant", "reasoning": "x", "reasoning_content": "Hm"}, {"reasoning_content": "Hm"}),
    ({"role": "assistant", "reasoning": "Hm", "reasoning_content": ""}, {"reasoning_content": "Hm"}),
    ({"role": "assistant", "content": "a", "reasoning": {"no": "text"}}, {"content": "a"}),
    (
        {"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
                                          {"type": "text", "text": "a"}]},
        {"content": [{"type": "text", "text": ""}, {"type": "text", "text": "a"}], "reasoning_content": "Hm"},
    ),
    (
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm"}, {"type": "reasoning", "text": "m"}]},
        {"content": [{"type": "text", "text": ""}] * 2, "reasoning_content": "Hmm"},
    ),
    ({"role": "assistant", "content": None, "refusal": "No."}, {"content": "No."}),
    ({"role": "assistant", "content": "a", "refusal": None}, {"content": "a"}),
    (
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"content": [{"type": "text", "text": "No."}]},
    ),
    ({"role": "assistant", "function_call": CALL["function"]}, {"tool_calls": [CALL]}),
    (
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1]}}}]},
        {"tool_calls": [{"function": {"name": "f", "arguments": '{"a":[1]}'}}]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "meant"), SAME_MESSAGES)
def test_a_message_of_another_api_means_the_same_as_one_of_z_ai(sent, meant):
    assert decode(sent) == decode({"role": "assistant", **meant})


@pytest.mark.parametrize("message", [{}, {"content": None}, {"content": ""}, {"content": []}])
def test_an_earlier_answer_may_be_empty(message):
    assert decode({"role": "assistant", **message}).messages[1].text == ""


ARGUMENTS = st.one_of(
    st.text(),
    st.sampled_from(['{"location": "Ro', "null", "[1]", '"x"', '{"a": 1}}', "{'a': 1}", "", "[" * 50]),
)


@given(ARGUMENTS)
def test_arguments_that_a_model_wrote_are_accepted_as_they_are(arguments):
    call = {"function": {"name": "f", "arguments": arguments}}
    (decoded,) = decode({"role": "assistant", "tool_calls": [call]}).messages[1].tool_calls

    assert decoded.function.arguments == arguments
    assert isinstance(decoded.function.parsed, dict)


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        ('{"a": 1}', {"a": 1}),
        ("", {}),
        ("null", {}),
        ('{"location": "Ro', {"arguments": '{"location": "Ro'}),
        ("[1]", {"arguments": [1]}),
    ],
)
def test_templates_get_arguments_as_an_object(arguments, parsed):
    assert RequestFunction("f", arguments).parsed == parsed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
NAMES = st.sampled_from(
    [
        "thinking",
        "reasoning",
        "chat_template_kwargs",
        "tools",
        "tool_choice",
        "max_completion_tokens",
        "messages",
        "response_format",
    ]
)
MESSAGES = st.dictionaries(
    st.sampled_from(["role", "content", "reasoning", "thinking", "refusal", "function_call", "tool_calls"]),
    st.sampled_from(["assistant", "user"]) | JSON,
)


@given(st.dictionaries(NAMES, JSON, max_size=3), st.lists(MESSAGES, max_size=3))
def test_any_other_value_is_an_error_that_says_what_to_do(fields, messages):
    with suppress(RequestError):
        decode(*messages, **fields)


@pytest.mark.parametrize("kind", ["xml", "", 0, 5, False, True, {}, {"a": 1}, []])
def test_a_schema_beside_the_type_does_not_make_a_wrong_type_right(kind):
    with pytest.raises(RequestError, match=r"response_format\.type is "):
        decode(response_format={"type": kind, "schema": {}})


def test_a_schema_beside_the_type_text_is_not_enforced():
    assert decode(response_format={"type": "text", "schema": {}}).response_format.type == "text"
