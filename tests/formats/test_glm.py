"""GLM's calls, with the cases that users have reported. Every text is split in every way."""

import json

import pytest

from glm_text import TOOLS, both_variants, call, parsed
from reading import parse


def content_of(value, line_end="", name="glm-4.7"):
    """Parse a string argument."""
    [(_, arguments)] = parsed(call("write_file", ("content", value), line_end=line_end), name=name).decoded
    return arguments["content"]


# Strings


@both_variants
@pytest.mark.parametrize(
    "value",
    [
        "a </arg_value> b",
        "</arg_value>",
        "x</arg_value>\n",
        "a </tool_call> b",
        "</tool_call>",
        "Wrap each call in <tool_call> and </tool_call>; this text is part of the argument.",
        "<tool_call>get_time</tool_call> is a call",
        "<tool_call>get_time\n",
        "<think>not a thought</think>",
        "<arg_key>city</arg_key>",
        "<arg_value>nested",
        "<|user|> and <|observation|>",
        "<|user|>",
    ],
)
def test_a_literal_tag_inside_a_string_is_text(name, line_end, value):
    assert content_of(value, line_end, name) == value


@both_variants
@pytest.mark.parametrize("value", ["a <", "x</arg_", "x</arg_value", "</tool_cal", "<", "<|us"])
def test_a_value_may_end_with_the_beginning_of_a_tag(name, line_end, value):
    assert content_of(value, line_end, name) == value


@both_variants
@pytest.mark.parametrize(
    "value",
    [
        'a "word"',
        r"C:\Users\n",
        '{"a": [1, "x"]}',
        "  indented\n\tcode\n",
        "\n",
        " ",
        "\r\n",
        "\x00\x1b",
        "a\u2028b",
        "你好🌟",
        "&lt;",
        '"',
        "\\",
    ],
)
def test_strings_are_verbatim(name, line_end, value):
    assert content_of(value, line_end, name) == value


@pytest.mark.parametrize("value", ["12345", "1e2", "true", "null", "-0", '"42"', "[1]"])
def test_text_that_looks_like_another_type_in_a_string_field_is_a_string(value):
    assert content_of(value) == value


@pytest.mark.parametrize(
    ("value", "meant"),
    [("null", None), ("nullable", "nullable"), ("", ""), ("None", None), ("a <b", "a <b"), ("7", "7")],
)
def test_nullable_strings_are_distinguished_from_null(value, meant):
    assert parsed(call("find", ("text", value))).decoded == [("find", {"text": meant})]


# Calls


@pytest.mark.parametrize("form", ["{}", "{}\n", "{} ", "\n{}\n", "  \n  {}  \n  "])
def test_a_call_without_arguments_may_have_any_white_space(form):
    result = parsed(f"<tool_call>{form.format('get_time')}</tool_call>")

    assert (result.calls, result.ended, result.content) == ([("get_time", "{}")], [0], "")


@both_variants
def test_several_calls_in_one_text_are_several_calls(name, line_end):
    text = line_end.join([call("get"), call("find", ("limit", "3"), line_end=line_end), call("get_time")])

    assert parsed(text, name=name).decoded == [("get", {}), ("find", {"limit": 3}), ("get_time", {})]


def test_text_before_between_and_after_calls_is_content():
    result = parsed(f"Before: {call('get')} Between: {call('get_time')}{call('get')} After.")

    assert result.content == "Before:  Between:  After."
    assert [name for name, _ in result.calls] == ["get", "get_time", "get"]


def test_only_the_line_end_before_a_call_is_markup():
    assert parsed(f"Let me look. \n\n{call('get')}", name="glm-4.6").content == "Let me look. \n"


def test_white_space_around_calls_is_markup():
    result = parsed(f"hm</think>\n\n {call('get')} \n {call('get')}\n", thinking=True)

    assert (result.reasoning, result.content, len(result.calls)) == ("hm", "", 2)


@both_variants
@pytest.mark.parametrize("space", ["", " ", "\n", "\r\n", " \n\t"])
def test_white_space_between_tags_is_accepted_in_both_variants(name, line_end, space):
    tags = [
        "<tool_call>",
        "find",
        "<arg_key>limit</arg_key>",
        "<arg_value>",
        "3",
        "</arg_value>",
        "</tool_call>",
    ]

    assert parsed(space.join(tags), name=name).decoded == [("find", {"limit": 3})]


def test_a_tool_name_that_is_a_prefix_of_another_one_is_not_confused_with_it():
    assert parsed(call("get_time")).calls == [("get_time", "{}")]
    assert parsed(call("get")).calls == [("get", "{}")]


def test_a_call_begins_with_its_complete_name():
    first, *_ = parse(
        "glm-4.7", ["<tool_call>", "get", "_time", "</tool", "_call>"], tools=TOOLS, thinking=False
    )

    assert first.name == "get_time"


def test_the_last_of_two_arguments_with_the_same_name_counts():
    [(_, arguments)] = parsed(call("find", ("limit", "1"), ("limit", "2"))).calls

    assert json.loads(arguments) == {"limit": 2}


def test_a_tool_that_was_not_offered_is_called():
    assert parsed("Well." + call("unknown", ("x", "1"))).decoded == [("unknown", {"x": 1})]
    assert parsed(call("unknown")).decoded == [("unknown", {})]
    assert parsed(f"{call('unknown')}\n{call('unknown')}").decoded == [("unknown", {}), ("unknown", {})]


def test_without_a_schema_the_literal_determines_the_type():
    text = call("get", ("a", "1"), ("b", "x"), ("c", '{"d": [null]}'), ("e", "True"))

    assert parsed(text).decoded == [("get", {"a": 1, "b": "x", "c": {"d": [None]}, "e": True})]


def test_arrays_are_streamed():
    parts = [
        "<tool_call>find<arg_key>tags</arg_key><arg_value>",
        '["a",',
        ' "b',
        '"]',
        "</arg_value></tool_call>",
    ]
    texts = [event.text for event in parse("glm-4.7", parts, tools=TOOLS, thinking=False)[1:-1]]

    assert texts == ['{"tags":["a", "b"]}']


def test_the_box_around_an_answer_is_dropped():
    text = "<think>a</think>\n<|begin_of_box|>42<|end_of_box|> it is."

    assert parsed(text, name="glm-4.6v", thinking=True).content == "42 it is."
