import pytest

from reading import read

TOOLS = {"get": None, "find": {"properties": {"text": {"type": "string"}}}}


def parsed(text, name="kimi-k2", **options):
    return read(name, text, tools=TOOLS, **options)


def call(id, body="{}"):
    return f"<|tool_call_begin|>{id}<|tool_call_argument_begin|>{body}<|tool_call_end|>"


def section(*calls):
    return f"<|tool_calls_section_begin|>{''.join(calls)}<|tool_calls_section_end|>"


def test_the_id_that_the_model_chose_is_kept():
    result = parsed("Well." + section(call("functions.find:0", '{"text": "a"}'), call("functions.get:1")))

    assert (result.content, result.decoded) == ("Well.", [("find", {"text": "a"}), ("get", {})])
    assert result.ids == ["functions.find:0", "functions.get:1"]


@pytest.mark.parametrize("id", ["functions.get:0\n", "get:0", "get", "functions.get"])
def test_an_id_may_be_incomplete(id):
    assert parsed(section(call(id))).calls == [("get", "{}")]


def test_the_section_may_be_missing():
    result = parsed(f"Well. {call('functions.get:0')} Done.")

    assert (result.content, result.calls) == ("Well.  Done.", [("get", "{}")])


def test_an_empty_section_is_dropped():
    assert parsed(f"Well.{section()} Done.").content == "Well. Done."


def test_a_call_without_json_has_no_arguments():
    assert parsed(section("<|tool_call_begin|>functions.get:0<|tool_call_end|>")).calls == [("get", "{}")]
    assert parsed(section(call("functions.get:0", ""))).calls == [("get", "{}")]


def test_a_literal_token_inside_a_string_is_text():
    body = '{"text": "<|tool_call_end|> <|tool_calls_section_begin|>"}'

    assert parsed(section(call("functions.find:0", body))).calls == [("find", body)]


def test_unclosed_json_ends_at_its_token():
    assert parsed(section(call("functions.find:0", '{"text": "a"'), call("get:1"))).calls == [
        ("find", '{"text": "a"'),
        ("get", "{}"),
    ]


def test_the_thinking_may_contain_calls():
    result = parsed(f"<think>hm {section(call('functions.get:0'))} </think>Done.", name="kimi-k2-thinking")

    assert (result.reasoning, result.content, result.calls) == ("hm ", "Done.", [("get", "{}")])


def test_in_the_thinking_only_known_tools_are_called():
    text = f"hm {section(call('functions.set:0'))}"

    assert parsed(text, name="kimi-k2-thinking").reasoning == text
    assert parsed(text).calls == [("set", "{}")]
