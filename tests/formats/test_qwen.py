import pytest

from reading import parse, read

TOOLS = {"get": None, "find": {"properties": {"text": {"type": "string"}, "limit": {"type": "integer"}}}}


def parsed(text, name="qwen3", **options):
    return read(name, text, tools=TOOLS, **options)


# JSON


@pytest.mark.parametrize(
    "body",
    [
        '{"name": "find", "arguments": {"text": "a"}}',
        '{"arguments": {"text": "a"}, "name": "find"}',
        '{"type": "function", "name": "find", "arguments": {"text": "a"}}',
        '{"name": "find", "parameters": {"text": "a"}}',
        '{"name": "find", "arguments": "{\\"text\\": \\"a\\"}"}',
        '{"name":"find","arguments":{"text":"a"}}}',
    ],
)
def test_a_call_is_an_object_with_name_and_arguments_in_any_order(body):
    result = parsed(f"Well.\n<tool_call>\n{body}\n</tool_call>")

    assert (result.content, result.decoded, result.ended) == ("Well.", [("find", {"text": "a"})], [0])


@pytest.mark.parametrize(
    "body", ['{"name": "get"}', '{"name": "get", "arguments": null}', '{"name": "get", "arguments": {}}']
)
def test_missing_arguments_are_an_empty_object(body):
    assert parsed(f"<tool_call>\n{body}\n</tool_call>").calls == [("get", "{}")]


def test_arguments_are_streamed_even_inside_strings():
    parts = [
        '<tool_call>{"name": "find", "arguments": {"text": "on',
        "ce upon",
        ' a time"}',
        "}</tool_call>",
    ]
    events = parse("qwen3", parts, tools=TOOLS)

    assert [event.text for event in events[1:-1]] == ['{"text": "once upon a time"}']


@pytest.mark.parametrize("text", ["</tool_call>", "<tool_call>", "</think>", "{", "}", '\\"', "<|im_end|>"])
def test_a_literal_tag_inside_a_string_is_text(text):
    result = parsed(f'<tool_call>\n{{"name": "find", "arguments": {{"text": "a {text} b"}}}}\n</tool_call>')

    assert result.decoded == [("find", {"text": f"a {text} b".replace("\\", "")})]


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call> and </tool_call>",
        '<tool_call>{"name": <function-name>, "arguments": <args-json-object>}</tool_call>',
        '{"name": "find", "arguments": {}}',
        "<tool_call>{}</tool_call>",
    ],
)
def test_a_mention_is_text(text):
    result = parsed(f"So: {text}")

    assert (result.content, result.calls) == (f"So: {text}", [])


def test_unclosed_json_ends_at_its_tag():
    result = parsed(
        '<tool_call>\n{"name": "find", "arguments": {"text": "a"\n</tool_call>\n<tool_call>{"name": "get"}</tool_call>'
    )

    assert result.calls == [("find", '{"text": "a"\n'), ("get", "{}")]


def test_an_unclosed_string_ends_before_the_next_call():
    result = parsed(
        '<tool_call>{"name": "find", "arguments": {"text": "a}}\n</tool_call>\n<tool_call>{"name": "get"}</tool_call>'
    )

    assert [name for name, _ in result.calls] == ["find", "get"]


def test_a_call_without_a_name_is_content():
    result = parsed('<tool_call>{"arguments": {"a": 1}}</tool_call> Done.')

    assert (result.content, result.calls) == ('{"arguments": {"a": 1}} Done.', [])


def test_the_line_ends_around_the_thinking_are_markup():
    result = parsed("<think>\na\n\nb\n</think>\n\nHello")

    assert (result.reasoning, result.content) == ("a\n\nb", "Hello")


def test_the_thinking_models_omit_the_opening_tag():
    assert parsed("a\n</think>\n\nHello", name="qwen3-thinking").reasoning == "a"


def test_in_the_thinking_only_known_tools_are_called():
    assert parsed('<think>a <tool_call>{"name": "get"}</tool_call>').calls == [("get", "{}")]
    assert parsed('<think>a <tool_call>{"name": "set"}</tool_call>').calls == []


# XML


def xml(*arguments, name="find"):
    body = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in arguments)
    return f"<tool_call>\n<function={name}>\n{body}</function>\n</tool_call>"


@pytest.mark.parametrize(
    "value", ["a", "", "\n", "  a\n  b\n", "</parameter> c", "<function=get>", "</function>", "7", '{"a": 1}']
)
def test_one_line_end_on_each_side_of_a_value_is_markup(value):
    assert parsed(xml(("text", value)), name="qwen3-coder").decoded == [("find", {"text": value})]


def test_a_value_may_be_on_the_line_of_its_tags():
    text = "<tool_call><function=find><parameter=text>a</parameter><parameter=limit>3</parameter></function></tool_call>"

    assert parsed(text, name="qwen3-coder").decoded == [("find", {"text": "a", "limit": 3})]


@pytest.mark.parametrize(
    "text",
    [
        "<function=find>\n<parameter=limit>\n3\n</parameter>\n</function>\n</tool_call>",
        "<tool_call>\n<function=find>\n<parameter=limit>\n3\n</parameter>\n</tool_call>",
        "<tool_call>\n<function=find>\n<parameter=limit>\n3\n</function>\n</tool_call>",
        "Well.\n<function=find>\n<parameter=limit>3</parameter></function>",
    ],
)
def test_a_tag_may_be_missing(text):
    result = parsed(text, name="qwen3-coder")

    assert (result.decoded, result.content) == ([("find", {"limit": 3})], "Well." if "Well" in text else "")


def test_several_functions_may_share_a_tag():
    text = "<tool_call>\n<function=get>\n</function>\n<function=get>\n</function>\n</tool_call>\nDone."
    result = parsed(text, name="qwen3-coder")

    assert (result.decoded, result.content) == ([("get", {}), ("get", {})], "\nDone.")


def test_a_function_that_was_not_offered_is_called():
    assert parsed(xml(("a", "1"), name="set"), name="qwen3-coder").decoded == [("set", {"a": 1})]
    assert parsed("I use <function=set> here", name="qwen3-coder").content == "I use <function=set> here"


def test_3_5_thinks_before_it_calls():
    result = parsed(f"a\n</think>\n\n{xml(('limit', 3))}", name="qwen3.5")

    assert (result.reasoning, result.decoded) == ("a", [("find", {"limit": 3})])
