import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.parsing import StopMatcher
from strategies import cut


def stopped(stops, pieces):
    """What leaves, and the stop string that ended it."""
    matcher = StopMatcher(stops)
    text = "".join([*map(matcher.feed, pieces), matcher.finish()])
    return text, matcher.matched


def test_text_ends_before_the_first_stop_string():
    assert stopped(["END", "\n\n"], ["one\ntwo\n\nthree END"]) == ("one\ntwo", "\n\n")


def test_a_stop_string_that_spans_pieces_is_never_emitted():
    matcher = StopMatcher(["</answer>"])

    assert [matcher.feed(piece) for piece in ("a <", "/ans", "wer", "> b", "c")] == ["a ", "", "", "", ""]
    assert matcher.matched == "</answer>"
    assert matcher.finish() == ""


def test_only_what_may_become_a_stop_string_is_held_back():
    matcher = StopMatcher(["aab"])

    assert [matcher.feed(piece) for piece in ("xa", "a", "a", "c")] == ["x", "", "a", "aac"]
    assert matcher.finish() == ""


def test_a_beginning_of_a_stop_string_at_the_end_is_text():
    assert stopped(["END"], ["the EN"]) == ("the EN", "")


def test_at_the_end_a_stop_string_within_the_beginning_of_a_longer_one_counts():
    assert stopped(["abcd", "c"], ["xabc"]) == ("xab", "c")
    assert stopped(["abcd", "c"], ["xabcd"]) == ("x", "abcd")


def test_of_two_stop_strings_that_begin_alike_the_shorter_one_counts():
    assert stopped(["STOP", "STOP NOW"], ["a STOP NOW"]) == ("a ", "STOP")


@pytest.mark.parametrize("stops", [[], [""]])
def test_without_stop_strings_text_passes(stops):
    assert stopped(stops, ["any", "thing"]) == ("anything", "")


stop_strings = st.lists(st.text("ab<", min_size=1, max_size=4), max_size=3)


@given(stop_strings, st.text("ab<c", max_size=24), st.data())
def test_no_cut_changes_what_leaves(stops, text, data):
    assert stopped(stops, text) == stopped(stops, [text]) == stopped(stops, data.draw(cut(text)))


@given(stop_strings, st.text("ab<c", max_size=24))
def test_what_leaves_holds_no_stop_string_and_loses_none_of_the_text(stops, text):
    left, matched = stopped(stops, [text])

    assert not any(stop in left for stop in stops)
    assert text.startswith(left + matched)
    assert matched or left == text
