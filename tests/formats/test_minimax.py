import pytest

from reading import read

TOOLS = {"get": None, "find": {"properties": {"text": {"type": "string"}, "limit": {"type": "integer"}}}}


def parsed(text, **options):
    return read("minimax-m2", text, tools=TOOLS, **{"thinking": False, **options})


def invoke(*arguments, name="find", close="</invoke>"):
    body = "".join(f'<parameter name="{key}">{value}</parameter>\n' for key, value in arguments)
    return f'<invoke name="{name}">\n{body}{close}\n'


def block(*calls):
    return f"<minimax:tool_call>\n{''.join(calls)}</minimax:tool_call>"


def test_one_block_contains_all_calls():
    result = parsed("Well.\n" + block(invoke(("text", "7"), ("limit", 7)), invoke(name="get")) + " Done.")

    assert (result.content, result.decoded) == (
        "Well. Done.",
        [("find", {"text": "7", "limit": 7}), ("get", {})],
    )


@pytest.mark.parametrize(
    "value", [" a\n", "</parameter> b", "</invoke>", '<invoke name="get">', "<minimax:tool_call>"]
)
def test_strings_are_verbatim(value):
    assert parsed(block(invoke(("text", value)))).decoded == [("find", {"text": value})]


@pytest.mark.parametrize(
    "text",
    [block(invoke(("limit", 7), close="")), block('<invoke name="find"><parameter name="limit">7</invoke>')],
)
def test_a_tag_may_be_missing(text):
    assert parsed(text).decoded == [("find", {"limit": 7})]


def test_an_empty_block_is_dropped_and_a_mention_is_text():
    assert parsed(f"a{block()}b").content == "ab"
    assert parsed("a <minimax:tool_call> b").content == "a <minimax:tool_call> b"


def test_text_in_a_block_is_content():
    assert parsed("<minimax:tool_call></minimax:tool_call>a").content == "a"
    assert parsed(block(invoke(("limit", 7))).replace("<parameter", "oh <parameter", 1)).content == "oh "


def test_the_opening_thinking_tag_may_be_missing():
    result = parsed(f"a\n</think>\n\n{block(invoke(name='get'))}", thinking=True)

    assert (result.reasoning, result.content, result.calls) == ("a", "", [("get", "{}")])


def test_in_the_thinking_only_known_tools_are_called():
    assert parsed(f"hm {block(invoke(name='get'))}", thinking=True).calls == [("get", "{}")]
    assert parsed(f"hm {block(invoke(name='set'))}", thinking=True).calls == []
