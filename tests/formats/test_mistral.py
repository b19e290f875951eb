import pytest

from reading import read

TOOLS = {"get": None, "find": {"properties": {"text": {"type": "string"}}}}


def parsed(text, **options):
    return read("mistral", text, tools=TOOLS, **options)


@pytest.mark.parametrize("opening", ["[TOOL_CALLS][", "[TOOL_CALLS] ["])
def test_nemo_writes_a_list(opening):
    text = f'Well.{opening}{{"name": "find", "arguments": {{"text": "]"}}, "id": "123456789"}}, {{"name": "get", "arguments": {{}}}}]</s>'
    result = parsed(text)

    assert (result.content, result.decoded) == ("Well.", [("find", {"text": "]"}), ("get", {})])
    assert result.ids == ["", ""], "an id after the name is ignored"


def test_small_writes_a_name_an_id_and_json():
    result = parsed('[TOOL_CALLS]find[CALL_ID]abc[ARGS]{"text": "[TOOL_CALLS]"}[TOOL_CALLS]get[ARGS]{}')

    assert result.decoded == [("find", {"text": "[TOOL_CALLS]"}), ("get", {})]
    assert result.ids == ["abc", ""]


def test_the_token_before_the_json_may_be_missing():
    assert parsed('[TOOL_CALLS]find{"text": "a"}').decoded == [("find", {"text": "a"})]


def test_unclosed_json_ends_before_the_next_call():
    assert parsed('[TOOL_CALLS]find[ARGS]{"text": "a"[TOOL_CALLS]get[ARGS]{}').calls == [
        ("find", '{"text": "a"'),
        ("get", "{}"),
    ]


@pytest.mark.parametrize("text", ["[TOOL_CALLS] is a token", "[TOOL_CALLS][1]", "[TOOL", "[1] [ARGS]"])
def test_a_token_without_a_call_is_text(text):
    assert parsed(text).content == text


def test_the_thinking_is_between_tokens():
    result = parsed("[THINK]a[/THINK]b")

    assert (result.reasoning, result.content) == ("a", "b")
