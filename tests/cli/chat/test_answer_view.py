"""The view of an answer: nothing in it controls the terminal, wherever it is cut."""

import io
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from headrace.cli.chat.answer_view import AnswerView
from headrace.cli.chat.blocks import BlockSplitter
from headrace.cli.chat.screen import Screen
from headrace.visible import make_visible
from zai.streaming import events
from zai.tools.loop import ToolResult

ATTACKS = [
    "\x1b]52;c;QQ==\x07",
    "\x1b[2J",
    "\x9b2J",
    "over\rwritten",
    "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
    "abc\u202ecba\u2066",
    "&#x202e;&#27;&#x9b;",
    "[link](http://evil)",
    "\x7f\x08\u2028",
]
OURS = re.compile(r"\x1b\[(?:\d*(?:;\d+)*m|\d+A|J|\?7[hl])|\n|\r(?=\x1b\[)")
"""What the view itself sends: colours, and the cursor movements of the tail."""
MAKE = {
    "content": events.ContentDelta,
    "reasoning": events.ReasoningDelta,
    "name": lambda text: events.ToolCallStart(0, "1", text),
    "result": lambda text: ToolResult(0, "1", "f", text),
    "arguments": lambda text: events.ToolCallArgumentsDelta(0, "1", "f", text, None),
}


def shown(kind, pieces):
    """Return what the terminal receives, and its text without the view's own escapes."""
    file = io.StringIO()
    view = AnswerView(Screen(Console(file=file, width=200, height=24, force_terminal=True)))
    for piece in pieces:
        view.feed(MAKE[kind](piece))
        view.paint()
    view.end_block()
    return OURS.sub("", file.getvalue())


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("attack", ATTACKS)
def test_no_control_character_of_an_answer_reaches_the_terminal_at_any_cut(attack, kind):
    for cut in range(len(attack) + 1):
        received = shown(kind, [piece for piece in (attack[:cut], attack[cut:]) if piece])

        assert received == make_visible(received)


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), "\x7f", "\x9b", "\u202e", "\u2069", "\udc80"])
def test_a_control_character_is_shown_by_its_escape(character):
    visible = make_visible(f"a{character}b")

    assert re.fullmatch(r"a\\(u[0-9a-f]{4}|[rnt])b", visible)


def test_line_ends_and_tabs_remain_in_lines():
    assert make_visible("a\r\n\tb\rc", lines=True) == "a\n\tb\\rc"


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_other_text_is_unchanged(text):
    assert make_visible(text) == text


def test_the_lines_of_a_poem_remain_lines():
    file = io.StringIO()
    view = AnswerView(Screen(Console(file=file, width=40, force_terminal=True, color_system=None)))
    view.feed(events.ContentDelta("One\ntwo **three**\n\nEnd"))
    view.end_block()

    assert file.getvalue() == "One\ntwo three\n\nEnd\n\n"


MARKDOWN = st.lists(st.sampled_from(["a", "\n", "\n\n", "```\n", "```", "- ", "  b", "1. ", "| c |"])).map(
    "".join
)


@given(MARKDOWN, st.lists(st.integers(0, 40)))
def test_blocks_do_not_depend_on_cuts_and_are_the_text(text, cuts):
    places = sorted({0, *(cut for cut in cuts if cut < len(text)), len(text)})
    splitter = BlockSplitter()
    blocks = [
        block for start, end in itertools.pairwise(places) for block in splitter.feed(text[start:end])
    ] + splitter.finish()
    whole = BlockSplitter()

    assert blocks == whole.feed(text) + whole.finish()
    assert "".join(blocks) == text


def test_a_blank_line_ends_a_block_but_not_in_code_or_a_list_item():
    splitter = BlockSplitter()
    text = "One.\n\n```py\na\n\nb\n```\n\n- item\n\n  more\n\nend"

    assert splitter.feed(text) == ["One.\n\n", "```py\na\n\nb\n```\n\n", "- item\n\n  more\n\n"]
    assert splitter.tail == "end"
