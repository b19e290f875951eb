import pytest

from reading import read

TOOLS = {"get": None, "find": {"properties": {"text": {"type": "string"}}}}


def parsed(text, **options):
    return read("llama-3", text, tools=TOOLS, **options)


@pytest.mark.parametrize("before", ["", "\n", "<|python_tag|>", " <|python_tag|> "])
def test_an_answer_that_begins_like_a_call_is_a_call(before):
    result = parsed(before + '{"name": "find", "parameters": {"text": "a"}}<|eom_id|>')

    assert (result.content, result.decoded, result.ended) == ("", [("find", {"text": "a"})], [0])


@pytest.mark.parametrize("between", ["; ", ";", " ", "\n"])
def test_several_calls_may_follow_each_other(between):
    call = '{"name": "get", "parameters": {}}'

    assert parsed(call + between + call).calls == [("get", "{}"), ("get", "{}")]


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ann", "age": 7}',
        '{"answer": 1}',
        "{",
        '{"name": "ge',
        "{}",
        '[{"name": "get"}]',
        'So: {"name": "get"}',
        "<|python_tag|>print(1)",
    ],
)
def test_any_other_answer_is_content_even_if_it_is_json(text):
    result = parsed(text)

    assert (result.content, result.calls) == (text, [])


def test_a_tool_that_was_not_offered_is_called_if_parameters_follow():
    assert parsed('{"name": "set", "parameters": {"a": 1}}').decoded == [("set", {"a": 1})]


def test_text_may_follow_a_call():
    assert parsed('{"name": "get"} Done.').content == " Done."


def test_text_after_a_missing_brace_is_content():
    result = parsed('{"name": "find", "parameters": {"text": "a"} So it is.')

    assert (result.content, result.decoded) == ("So it is.", [("find", {"text": "a"})])


def test_without_tools_json_is_the_answer():
    text = '{"name": "get", "parameters": {}}'

    assert read("llama-3", text, tools={}).content == text
