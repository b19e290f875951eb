"""What every table keeps to, so that the parser can walk it without knowing it."""

import re
from itertools import pairwise

import pytest

from headrace.formats import ANY_TEXT, FORMATS, TEXT_LEADS_TO, Look, Mode

families = pytest.mark.parametrize("format", set(FORMATS.values()), ids=lambda family: family.name)
NAMING = (Mode.BEFORE_NAME, Mode.NAME)


def test_every_family_has_the_name_that_it_is_found_by():
    assert {format.name for format in FORMATS.values()} <= set(FORMATS)


@families
def test_every_mode_can_be_reached_and_left(format):
    reached = {Mode.START, Mode.THINKING, Mode.OPEN, Mode.CALLS}
    reached |= {step.to for step in format.steps.values()}
    reached |= {TEXT_LEADS_TO[mode] for mode in reached if mode in TEXT_LEADS_TO}

    assert {mode for mode, _ in format.steps} <= reached
    assert all(len(stop) > 0 for stop in format.stops)
    assert format.stops


@families
def test_only_a_mode_that_text_leaves_has_a_row_for_any_text(format):
    assert {mode for mode, marker in format.steps if marker == ANY_TEXT} <= set(TEXT_LEADS_TO)


@families
def test_no_row_for_any_text_is_without_a_condition(format):
    assert all(step.guard for (_, marker), step in format.steps.items() if marker == ANY_TEXT)


@families
def test_a_name_is_only_read_where_one_follows(format):
    """So a call never begins without a name."""
    for (mode, _), step in format.steps.items():
        if step.to in NAMING and mode is not Mode.CALL_HEADER:
            assert all({Look.KNOWN_NAME, Look.ANY_NAME} & set(path) for path in step.guard)


@families
def test_in_the_thinking_only_a_known_tool_is_called(format):
    for (mode, _), step in format.steps.items():
        if (
            mode in (Mode.THINKING, Mode.REASONING)
            and step.to is not Mode.OPEN
            and step.to is not Mode.REASONING
        ):
            assert all(Look.KNOWN_NAME in path for path in step.guard)


@families
def test_a_guard_has_at_most_one_name_in_a_row_and_begins_no_marker_with_white_space(format):
    for step in format.steps.values():
        for path in step.guard or ():
            assert sum(item in (Look.KNOWN_NAME, Look.ANY_NAME) for item in path) <= 1
            for item, following in pairwise(path):
                assert item is not Look.SPACE or not (isinstance(following, str) and following[:1].isspace())


@families
def test_the_end_of_a_value_or_body_is_never_taken_on_trust(format):
    """Their text may hold the very marker that ends them."""
    for (mode, marker), step in format.steps.items():
        if mode in (Mode.VALUE, Mode.BODY, Mode.ENVELOPE):
            assert step.guard, marker


@families
def test_the_pattern_of_a_name_finds_it(format):
    assert not format.name_pattern or re.fullmatch(format.name_pattern, "functions.f:0")["name"] == "f"
