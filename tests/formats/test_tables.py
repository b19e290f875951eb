"""What every table keeps to, so that the parser can walk it without knowing it."""

import re
from itertools import pairwise

import pytest

from headrace.formats import ANY_TEXT, FORMATS, TEXT_LEADS_TO, Lookahead, State

families = pytest.mark.parametrize("format", set(FORMATS.values()), ids=lambda family: family.name)
NAMING = (State.BEFORE_NAME, State.NAME)


def test_every_family_has_the_name_that_it_is_found_by():
    assert {format.name for format in FORMATS.values()} <= set(FORMATS)


@families
def test_every_mode_can_be_reached_and_left(format):
    reached = {State.START, State.THINKING, State.OPEN, State.CALLS}
    reached |= {transition.to for transition in format.transitions.values()}
    reached |= {TEXT_LEADS_TO[state] for state in reached if state in TEXT_LEADS_TO}

    assert {state for state, _ in format.transitions} <= reached
    assert all(len(stop) > 0 for stop in format.stops)
    assert format.stops


@families
def test_only_a_mode_that_text_leaves_has_a_row_for_any_text(format):
    assert {state for state, delimiter in format.transitions if delimiter == ANY_TEXT} <= set(TEXT_LEADS_TO)


@families
def test_no_row_for_any_text_is_without_a_condition(format):
    assert all(
        transition.condition
        for (_, delimiter), transition in format.transitions.items()
        if delimiter == ANY_TEXT
    )


@families
def test_a_name_is_only_read_where_one_follows(format):
    """So a call never begins without a name."""
    for (state, _), transition in format.transitions.items():
        if transition.to in NAMING and state is not State.CALL_HEADER:
            assert all(
                {Lookahead.KNOWN_NAME, Lookahead.ANY_NAME} & set(path) for path in transition.condition
            )


@families
def test_in_the_thinking_only_a_known_tool_is_called(format):
    for (state, _), transition in format.transitions.items():
        if (
            state in (State.THINKING, State.REASONING)
            and transition.to is not State.OPEN
            and transition.to is not State.REASONING
        ):
            assert all(Lookahead.KNOWN_NAME in path for path in transition.condition)


@families
def test_a_guard_has_at_most_one_name_in_a_row_and_begins_no_marker_with_white_space(format):
    for transition in format.transitions.values():
        for path in transition.condition or ():
            assert sum(item in (Lookahead.KNOWN_NAME, Lookahead.ANY_NAME) for item in path) <= 1
            for item, following in pairwise(path):
                assert item is not Lookahead.SPACE or not (
                    isinstance(following, str) and following[:1].isspace()
                )


@families
def test_the_end_of_a_value_or_body_is_never_taken_on_trust(format):
    """Their text may hold the very delimiter that ends them."""
    for (state, delimiter), transition in format.transitions.items():
        if state in (State.VALUE, State.BODY, State.CALL_OBJECT):
            assert transition.condition, delimiter


@families
def test_the_pattern_of_a_name_finds_it(format):
    assert not format.name_pattern or re.fullmatch(format.name_pattern, "functions.f:0")["name"] == "f"
