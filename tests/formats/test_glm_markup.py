"""GLM's markup where it is mentioned, broken, cut off or disabled. Every text is split in every way."""

import pytest

from glm_text import argument, both_variants, call, parsed

# Mentions


@pytest.mark.parametrize(
    "text",
    [
        "Calls stand in <tool_call> and </tool_call>.",
        "Use `<tool_call>`!",
        "<tool_call>s are tags.",
        "<tool_call>name</tool_call> is how it looks.",
        "as in <tool_call>name</tool_call>",
        "<tool_call> get it",
        "find<arg_key>limit</arg_key",
        "So: find<arg_key>limit</arg_key><arg_value>3</arg_value></tool_call>",
        "a < b and c </think> d <think>",
        "1 <tool 2 <tool_cal 3 <",
    ],
)
def test_a_tag_without_a_call_is_text(text):
    result = parsed(text)

    assert (result.content, result.calls) == (text, [])


@pytest.mark.parametrize("space", ["", " ", "\n"])
@pytest.mark.parametrize("arguments", ["", argument("limit", 3), argument("limit", 3, "\n")])
def test_a_call_with_an_empty_name_is_text(space, arguments):
    text = f"So:<tool_call>{space}{arguments}</tool_call>"
    result = parsed(text)

    assert (result.content, result.calls) == (text, [])


def test_a_mention_in_the_thinking_is_reasoning():
    thought = "I write <tool_call>unknown</tool_call> or <tool_call> get"
    result = parsed(f"{thought}</think>Hello", thinking=True)

    assert (result.reasoning, result.content, result.calls) == (thought, "Hello", [])


@both_variants
def test_a_call_of_a_known_tool_in_the_thinking_is_a_call(name, line_end):
    result = parsed(
        f"<think>I look.{call('find', ('limit', '3'), line_end=line_end)}", name=name, thinking=True
    )

    assert (result.reasoning, result.decoded) == ("I look.", [("find", {"limit": 3})])


@both_variants
def test_the_thinking_may_end_after_a_call_inside_it(name, line_end):
    text = f"<think>I look.{call('get')}{line_end}</think>{line_end}{call('get_time')} Done."
    result = parsed(text, name=name, thinking=True)

    assert (result.reasoning, result.content) == ("I look.", " Done.")
    assert [called for called, _ in result.calls] == ["get", "get_time"]


def test_after_the_thinking_thinking_tags_are_text():
    result = parsed("a</think>b <think>c</think>", thinking=True)

    assert (result.reasoning, result.content) == ("a", "b <think>c</think>")


# Missing and doubled tags


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("<arg_key>limit</arg_key>3</arg_value>", {"limit": 3}),
        ("<arg_key>limit<arg_value>3</arg_value>", {"limit": 3}),
        ("limit</arg_key><arg_value>3</arg_value>", {"limit": 3}),
        ("<arg_key>limit</arg_key></arg_key><arg_value>3</arg_value>", {"limit": 3}),
        ("<arg_key>limit</arg_key><arg_value>3</arg_key>", {"limit": 3}),
        ("<arg_key>limit</arg_key><arg_value>3", {"limit": 3}),
        ("<arg_key><arg_key>limit</arg_key><arg_value>3</arg_value>", {"limit": 3}),
        ("<arg_key></arg_key><arg_value>3</arg_value>", {"": 3}),
        ("<arg_key>limit</arg_key>", {"limit": ""}),
    ],
)
def test_a_missing_or_doubled_tag_causes_no_other_loss(text, arguments):
    result = parsed(f"<tool_call>find\n{text}</tool_call>")

    assert result.decoded == [("find", arguments)]
    assert result.ended == [0]


def test_an_extra_closing_tag_after_a_value_is_part_of_it():
    assert parsed(call("find", ("text", "a</arg_value>"))).decoded == [("find", {"text": "a</arg_value>"})]


def test_a_call_that_the_next_one_interrupts_is_complete():
    text = f"<tool_call>find{argument('limit', 3)}{call('get')}"

    assert parsed(text).decoded == [("find", {"limit": 3}), ("get", {})]


def test_an_extra_closing_tag_after_a_call_is_dropped():
    assert parsed(call("get") + "</tool_call>\nDone.").content == "\nDone."


@pytest.mark.parametrize("unparsed", ["words", "words and <b>more</b>"])
def test_text_inside_a_call_is_content_and_the_call_continues(unparsed):
    result = parsed(f"<tool_call>find\n{unparsed}\n{argument('limit', 3)}</tool_call>")

    assert (result.content, result.decoded) == (f"{unparsed}\n", [("find", {"limit": 3})])


def test_a_value_without_a_key_becomes_arguments_that_the_client_has_to_reject():
    """A complete call without them would run the tool as if none had been written."""
    result = parsed("<tool_call>find\n<arg_value>3</tool_call>")

    assert (result.content, result.calls) == ("", [("find", "<arg_value>3")])


def test_an_unclosed_key_is_text():
    result = parsed(f"<tool_call>find<arg_key>oh, wait {argument('limit', 3)}</tool_call>")

    assert (result.content, result.decoded) == ("oh, wait ", [("find", {"limit": 3})])


# Endings


@pytest.mark.parametrize(
    ("text", "reasoning", "content", "calls"),
    [
        ("<think>I thi", "I thi", "", []),
        ("<think>I think</thi", "I think</thi", "", []),
        ("<think>I think</think>\n", "I think", "", []),
        ("Hello <tool_ca", "", "Hello <tool_ca", []),
        ("Hello <tool_call>", "", "Hello ", []),
        ("Hello <tool_call>get_ti", "", "Hello ", []),
        ("Hello <tool_call>get_time", "", "Hello ", []),
        ("<tool_call>find\n", "", "", [("find", "")]),
        ("<tool_call>find\n<arg_key>li", "", "", [("find", "")]),
        ("<tool_call>find\nli", "", "", [("find", "")]),
        ("<tool_call>find\nlimit</arg_k", "", "", [("find", "")]),
        ("<tool_call>find\nstray words", "", "stray words", [("find", "")]),
        ("<tool_call>find\n<arg_key>limit</arg_key>\n<arg_value>12", "", "", [("find", '{"limit":')]),
        (
            "<tool_call>find\n<arg_key>limit</arg_key>\n<arg_value>12</arg_value>",
            "",
            "",
            [("find", '{"limit":12')],
        ),
        (
            "<tool_call>find\n<arg_key>text</arg_key>\n<arg_value>so far",
            "",
            "",
            [("find", '{"text":"so far')],
        ),
        (
            "<tool_call>find\n<arg_key>text</arg_key>\n<arg_value>so far</arg_val",
            "",
            "",
            [("find", '{"text":"so far</arg_val')],
        ),
        ("<tool_call>find\n<arg_key>tags</arg_key>\n<arg_value>[1, ", "", "", [("find", '{"tags":[1, ')]),
    ],
)
def test_an_output_that_is_cut_off_stays_incomplete(text, reasoning, content, calls):
    result = parsed(text, name="glm-4.6", thinking=True)

    assert (result.reasoning, result.content, result.calls, result.ended) == (reasoning, content, calls, [])


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("<tool_call>find", {}),
        ("<tool_call>find\n", {}),
        ("<tool_call>find" + argument("limit", 3), {"limit": 3}),
        ("<tool_call>find<arg_key>text</arg_key><arg_value>all of it", {"text": "all of it"}),
    ],
)
@pytest.mark.parametrize(("stop", "stopped"), [("<|observation|>", False), ("<|user|>\n", False), ("", True)])
def test_a_stop_token_completes_an_open_call(text, arguments, stop, stopped):
    result = parsed(text + stop, stopped=stopped)

    assert (result.decoded, result.ended, result.content) == ([("find", arguments)], [0], "")


@pytest.mark.parametrize("stop", ["<|user|>", "<|observation|>", "<|endoftext|>", "<|endoftext|>\n"])
def test_a_stop_token_at_the_end_is_dropped(stop):
    assert parsed(f"Hello{stop}").content == "Hello"
    assert parsed(f"{call('get')}\n{stop}").content == ""
    assert parsed(f"hm{stop}", thinking=True).reasoning == "hm"


def test_a_stop_token_before_text_is_text():
    assert parsed("The token <|user|> begins a turn.").content == "The token <|user|> begins a turn."


def test_white_space_alone_is_an_answer():
    assert parsed("", name="glm-4.6", thinking=True).content == ""
    assert parsed(" \n ", name="glm-4.6", thinking=True).content == " \n "


# Requests


def test_without_tools_the_markup_of_calls_is_text():
    text = f"Look: {call('get', ('a', '1'))}</tool_call>"
    result = parsed(f"hm</think>{text}", tools={}, thinking=True)

    assert (result.reasoning, result.content, result.calls) == ("hm", text, [])


@both_variants
def test_with_thinking_off_thinking_tags_are_text(name, line_end):
    result = parsed("Simple question.</think>2 + 2 = **4**", name=name)

    assert (result.reasoning, result.content) == ("", "Simple question.</think>2 + 2 = **4**")


def test_4_6_writes_both_thinking_tags_with_line_ends_around_them():
    result = parsed("\n<think>a\nb</think>\n\nHello\n", name="glm-4.6", thinking=True)

    assert (result.reasoning, result.content) == ("a\nb", "\nHello\n")


@pytest.mark.parametrize("text", ["a</think>Hello", "<think>a</think>Hello", "\n<think>a</think>Hello"])
def test_4_7_may_omit_the_opening_tag(text):
    result = parsed(text, thinking=True)

    assert (result.reasoning, result.content) == ("a", "Hello")


def test_4_7_may_skip_the_thinking_or_never_end_it():
    assert parsed("</think>Hello", thinking=True).content == "Hello"
    assert parsed("Hello", thinking=True).reasoning == "Hello"


def test_with_tool_stream_off_a_call_has_all_its_arguments_with_sorted_keys():
    text = call("find", ("text", "x"), ("limit", "3"), ("tags", '[ "a" ]'))

    assert parsed(text, tool_stream=False).calls == [("find", '{"limit":3,"tags":["a"],"text":"x"}')]


def test_with_tool_stream_off_invalid_json_is_unchanged():
    assert parsed(call("find", ("tags", '["a"')), tool_stream=False).calls == [("find", '{"tags":["a"}')]
