import pytest

from reading import read

TOOLS = {"get": None, "get_time": None, "find": {"properties": {"text": {"type": "string"}}}}


def parsed(text, name="glm-4-0414", **options):
    return read(name, text, tools=TOOLS, **options)


def test_the_name_of_a_tool_on_the_first_line_and_json_after_it_are_a_call():
    result = parsed('\nfind\n{"text": "a}"}<|observation|>')

    assert (result.decoded, result.ended, result.content) == ([("find", {"text": "a}"})], [0], "")


def test_several_calls_are_several_messages():
    result = parsed('get\n{}<|assistant|>get_time\n {"a": 1}\n<|assistant|>find\n{}')

    assert result.decoded == [("get", {}), ("get_time", {"a": 1}), ("find", {})]


@pytest.mark.parametrize(
    "text",
    [
        "get",
        "get_time",
        "get\nit",
        "get a {}",
        "Get\n{}",
        "gets\n{}",
        "unknown\n{}",
        'find {"text": 1}',
        "{}",
        "a\nget\n{}",
    ],
)
def test_any_other_first_line_is_the_answer(text):
    result = parsed(text)

    assert (result.content, result.calls) == (text, [])


def test_a_call_may_follow_text_in_a_message_of_its_own():
    result = parsed("Let me see.\n<|assistant|>get\n{}")

    assert (result.content, result.decoded) == ("Let me see.", [("get", {})])


def test_z1_thinks_before_it_calls():
    result = parsed("hm</think>\nget\n{}", name="glm-z1")

    assert (result.reasoning, result.content, result.decoded) == ("hm", "", [("get", {})])
