import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace.parsing.lexer import Lexer, prefix_pattern


def found(lexer, text, *, at_end=False):
    """Return the match as (text, whether it is a complete delimiter), or None."""
    match = (lexer.find_at_end if at_end else lexer.find)(text, 0)
    return match and (match.group(), match.lastindex is not None)


def test_a_delimiter_is_found_anywhere():
    assert found(Lexer(["<a>", "</a>"]), "text </a> <a>") == ("</a>", True)


@pytest.mark.parametrize("text", ["x<", "x</", "x</a"])
def test_the_beginning_of_a_delimiter_is_found_at_the_end_of_the_text(text):
    assert found(Lexer(["</a>"]), text) == (text[1:], False)


@pytest.mark.parametrize("text", ["x<b", "</a x", "<<-", ">a<b"])
def test_text_that_cannot_become_a_delimiter_is_not_found(text):
    assert found(Lexer(["<a>", "</a>"]), text) is None


def test_the_beginning_of_a_delimiter_is_text_at_the_end_of_the_output():
    assert found(Lexer(["<a>"]), "x<a", at_end=True) is None


def test_a_delimiter_that_is_a_prefix_of_another_one_waits_for_more_text():
    lexer = Lexer(["[T]", "[T]["])

    assert found(lexer, "[T]") == ("[T]", False)
    assert found(lexer, "[T]x") == ("[T]", True)
    assert found(lexer, "[T][x") == ("[T][", True)
    assert found(lexer, "[T]", at_end=True) == ("[T]", True)


def test_a_delimiter_of_one_character_is_always_complete():
    assert found(Lexer(["\n"]), "x\n") == ("\n", True)


def test_without_delimiters_nothing_is_found():
    assert found(Lexer([]), "anything <at> all") is None


def test_any_text_is_an_empty_match():
    lexer = Lexer(["<a>"], any_text=True)

    assert found(lexer, " \n x") == ("", True)
    assert found(lexer, " \n <a>x") == ("<a>", True)
    assert found(lexer, " \n <a") == ("<a", False)
    assert found(lexer, " \n ") is None


def test_other_white_space_is_text():
    assert Lexer([], any_text=True).find("\n\u3000x", 0).start() == 1


@given(st.text("ab<", min_size=1), st.text("c"))
def test_a_prefix_pattern_matches_all_prefixes_but_the_empty_one(word, then):
    pattern = re.compile(prefix_pattern(word, re.escape(then)))

    assert all(pattern.fullmatch(word[:size]) for size in range(1, len(word)))
    assert pattern.fullmatch(word + then)
    assert not pattern.fullmatch("")


@given(st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=4), st.text("abc", max_size=12))
def test_the_leftmost_delimiter_is_found_and_of_those_the_longest(delimiters, text):
    places = [
        (text.find(delimiter), -len(delimiter), delimiter) for delimiter in delimiters if delimiter in text
    ]
    assume(places)

    assert found(Lexer(delimiters), text + "c") == (min(places)[2], True)
