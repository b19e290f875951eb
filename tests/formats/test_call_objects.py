"""Families that write each call as a JSON object between tags."""

import pytest

from reading import read

TOOLS = {"get": None, "find": {"properties": {"text": {"type": "string"}}}}
GET = '{"name": "get", "arguments": {}}'
FIND = '{"name": "find", "arguments": {"text": "a"}}'
SET = '{"name": "set", "arguments": {}}'
TAGS = {
    "exaone-4": ("<tool_call>", "</tool_call>"),
    "minimax-m1": ("<tool_calls>", "</tool_calls>"),
    "hunyuan-a13b": ("<tool_calls>", "</tool_calls>"),
    "nemotron-nano-2": ("<TOOLCALL>", "</TOOLCALL>"),
    "internlm": ("<|action_start|> <|plugin|>", "<|action_end|>"),
}
families = pytest.mark.parametrize(("name", "tags"), TAGS.items(), ids=TAGS)


def parsed(name, text, **options):
    return read(name, text, tools=TOOLS, **{"thinking": False, **options})


@families
@pytest.mark.parametrize(
    "calls", [f"\n{FIND}\n{SET}\n", f"[{FIND}, {SET}]", f"\n[{FIND},\n{SET}]\n", f"{FIND}{SET}"]
)
def test_a_block_has_several_objects_or_an_array(name, tags, calls):
    result = parsed(name, f"Well.\n{tags[0]}{calls}{tags[1]}")

    assert (result.content, result.decoded) == ("Well.", [("find", {"text": "a"}), ("set", {})])
    assert result.ended == [0, 1]


@families
def test_in_the_thinking_only_known_tools_are_called(name, tags):
    for calls in (f"{tags[0]}{SET}{tags[1]}", f"{tags[0]}[{SET}]{tags[1]}"):
        assert parsed(name, f"<think>hm {calls}", thinking=True).calls == []
        assert parsed(name, f"<think>hm {calls.replace(SET, GET)}", thinking=True).calls == [("get", "{}")]


@families
def test_a_call_that_is_cut_off_stays_incomplete(name, tags):
    result = parsed(name, f'{tags[0]}[{{"name": "find", "arguments": {{"text": "so f')

    assert (result.content, result.calls, result.ended) == ("", [("find", '{"text": "so f')], [])


@families
def test_a_mention_is_text(name, tags):
    text = f"{tags[0]} and {tags[1]} are tags."

    assert parsed(name, text).content == text


@pytest.mark.parametrize("tools", [TOOLS, {}])
@pytest.mark.parametrize("thinking", ["", "hm"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ernie-4.5", "<response>\nHello\n</response>\n"),
        ("ernie-4.5", "Hello"),
        ("hunyuan-a13b", "<answer>\nHello\n</answer>"),
        ("hunyuan-a13b", "<answer>助手：Hello</answer>"),
    ],
)
def test_the_tags_around_the_answer_are_dropped(name, text, thinking, tools):
    result = read(name, f"<think>\n{thinking}\n</think>\n\n{text}", tools=tools)

    assert (result.reasoning, result.content) == (thinking, "Hello")


def test_tags_of_the_answer_within_it_are_text():
    text = "The tags are <answer> and </answer>, no more."

    assert parsed("hunyuan-a13b", text).content == text


def test_the_answer_may_contain_the_calls():
    result = parsed("hunyuan-a13b", f"<answer>\n<tool_calls>[{GET}]</tool_calls>\n</answer>")

    assert (result.content, result.calls) == ("", [("get", "{}")])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("reka", "Hi\n\n"),
        ("reka", "Hi\n\n<sep>"),
        ("apriel", "Hi\n<|end|>"),
        ("laguna", "\nHi\n</assistant>"),
    ],
)
def test_line_ends_before_the_stop_token_are_dropped(name, text):
    assert parsed(name, text, prompt="Hi", stopped=True).content == "Hi"


def test_line_ends_within_the_answer_are_kept():
    assert parsed("reka", "One\n\nTwo").content == "One\n\nTwo"
    assert parsed("laguna", "One\nTwo").content == "One\nTwo"
