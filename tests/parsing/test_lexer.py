import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace.parsing.lexer import Lexer, prefix_pattern


def found(lexer, text, *, at_end=False):
    """The match as (text, whether it is a whole delimiter); None where there is none."""
    match = (lexer.find_at_end if at_end else lexer.find)(text, 0)
    return match and (match.group(), match.lastindex is not None)


def test_a_marker_is_found_wherever_it_stands():
    assert found(Lexer(["<a>", "</a>"]), "text </a> <a>") == ("</a>", True)


@pytest.mark.parametrize("text", ["x<", "x</", "x</a"])
def test_a_prefix_pattern_a_marker_at_the_end_of_the_text_is_found_as_such(text):
    assert found(Lexer(["</a>"]), text) == (text[1:], False)


@pytest.mark.parametrize("text", ["x<b", "</a x", "<<-", ">a<b"])
def test_what_can_become_no_marker_is_text(text):
    assert found(Lexer(["<a>", "</a>"]), text) is None


def test_where_no_more_text_comes_a_beginning_is_text():
    assert found(Lexer(["<a>"]), "x<a", at_end=True) is None


def test_a_marker_that_begins_like_a_longer_one_waits_for_what_follows():
    lexer = Lexer(["[T]", "[T]["])

    assert found(lexer, "[T]") == ("[T]", False)
    assert found(lexer, "[T]x") == ("[T]", True)
    assert found(lexer, "[T][x") == ("[T][", True)
    assert found(lexer, "[T]", at_end=True) == ("[T]", True)


def test_a_marker_of_one_character_is_never_a_beginning():
    assert found(Lexer(["\n"]), "x\n") == ("\n", True)


def test_no_markers_find_nothing():
    assert found(Lexer([]), "anything <at> all") is None


def test_the_first_text_that_is_no_marker_is_an_empty_match():
    lexer = Lexer(["<a>"], any_text=True)

    assert found(lexer, " \n x") == ("", True)
    assert found(lexer, " \n <a>x") == ("<a>", True)
    assert found(lexer, " \n <a") == ("<a", False)
    assert found(lexer, " \n ") is None


def test_white_space_that_no_protocol_writes_is_text():
    assert Lexer([], any_text=True).find("\n\u3000x", 0).start() == 1


@given(st.text("ab<", min_size=1), st.text("c"))
def test_a_beginning_is_any_but_the_empty_one(word, then):
    pattern = re.compile(prefix_pattern(word, re.escape(then)))

    assert all(pattern.fullmatch(word[:size]) for size in range(1, len(word)))
    assert pattern.fullmatch(word + then)
    assert not pattern.fullmatch("")


@given(st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=4), st.text("abc", max_size=12))
def test_the_leftmost_marker_is_found_and_of_those_the_longest(delimiters, text):
    places = [
        (text.find(delimiter), -len(delimiter), delimiter) for delimiter in delimiters if delimiter in text
    ]
    assume(places)

    assert found(Lexer(delimiters), text + "c") == (min(places)[2], True)
