"""The pattern is checked against the obvious definition."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.engines.schemas.exclusion import text_without
from headrace.formats import FORMATS

WORDS = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<|user|>", "<t>", "[THINK]", "[/THINK]"]
PIECES = st.lists(
    st.sampled_from(
        [*WORDS, "<", ">", "[", "]", "[TH", "INK]", "/", "<tool", "_call>", "think>", "|", "x", "\n", "é"]
    )
)


@given(PIECES.map("".join))
def test_a_text_matches_if_no_word_is_in_it(text):
    assert bool(re.search(text_without(WORDS), text)) == (not any(word in text for word in WORDS))


def test_words_that_do_not_begin_with_a_bracket_are_no_markup_to_exclude():
    assert text_without(["to=functions.", "\n", "[", "<"]) == ""
    assert re.search(text_without(["<a>", "to=functions."]), "to=functions.")


def test_of_several_brackets_the_first_word_counts():
    assert text_without(["<a> <b>", '<c>d="<e>']) == text_without(["<a>", "<c>d="])


@pytest.mark.parametrize("family", FORMATS)
def test_ordinary_text_has_no_markup(family):
    pattern = text_without({delimiter for _, delimiter in FORMATS[family].transitions})

    assert re.search(pattern, "if a < b: <a href='x'>list[0]</a> [draft] ```json [[1], [2]] <!-- -->")


def test_the_pattern_of_a_family_stays_short():
    for format in FORMATS.values():
        assert len(text_without({delimiter for _, delimiter in format.transitions})) < 4000
