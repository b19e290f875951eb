"""The rules for every table, so that the parser can walk it without knowing the family."""

import pkgutil
import re
from enum import Enum
from importlib import import_module
from inspect import isfunction
from itertools import pairwise, permutations

import pytest

import headrace.formats
from headrace.formats import ANY_TEXT, FAMILIES, FORMATS, NEXT_ON_TEXT, Encoding, Lookahead, State

families = pytest.mark.parametrize("format", dict.fromkeys(FORMATS.values()), ids=lambda family: family.name)
BEFORE_ARGUMENTS = (State.BEFORE_NAME, State.NAME)
THINKING = (State.THINKING, State.REASONING)
JSON = (State.BODY, State.KEYWORDS, State.CALL_OBJECT)
TOOLS = {Lookahead.KNOWN_NAME, Lookahead.NAME_AND_KEY, Lookahead.ANY_NAME}
NAMES = TOOLS | {Lookahead.KNOWN_KEY}


def transitions(format):
    """Every transition, with its state and delimiter."""
    for (source, delimiter), first in format.transitions.items():
        transition = first
        while transition:
            yield source, delimiter, transition
            transition = transition.otherwise


def sequences(format):
    """Every alternative of every condition, with the states of its transition."""
    return [
        (source, transition.to, sequence)
        for source, _, transition in transitions(format)
        for sequence in transition.condition or ()
    ]


@families
def test_every_state_with_transitions_can_be_reached(format):
    reached = {State.START, State.THINKING, State.OPEN, State.CALLS}
    reached |= {transition.to for _, _, transition in transitions(format)}
    reached |= {NEXT_ON_TEXT[state] for state in reached if state in NEXT_ON_TEXT}

    assert {state for state, _ in format.transitions} <= reached


@families
def test_every_format_has_stop_tokens(format):
    assert format.stop_tokens
    assert all(format.stop_tokens)


@families
def test_the_thinking_tags_lead_into_the_thinking_and_out_of_it(format):
    if format.thinking_tags:
        opening, closing = format.thinking_tags
        assert format.transitions[State.START, opening].to is State.REASONING
        assert format.transitions[State.REASONING, closing].to is State.OPEN


@families
def test_only_states_in_which_text_has_no_meaning_have_a_transition_on_any_text(format):
    assert {state for state, delimiter in format.transitions if delimiter == ANY_TEXT} <= set(NEXT_ON_TEXT)


@families
def test_every_transition_on_any_text_has_a_condition(format):
    assert all(
        transition.condition for _, delimiter, transition in transitions(format) if delimiter == ANY_TEXT
    )


@families
def test_every_transition_to_a_name_looks_ahead_for_one(format):
    """So every call has a name."""
    for state, _, transition in transitions(format):
        if transition.to in BEFORE_ARGUMENTS and state not in (State.CALL_HEADER, State.BEFORE_NAME):
            assert all(TOOLS & set(sequence) for sequence in transition.condition)


@families
def test_a_call_in_the_thinking_needs_the_name_of_a_known_tool(format):
    known = TOOLS - {Lookahead.ANY_NAME}
    for state, _, transition in transitions(format):
        if state in THINKING and transition.to not in (State.OPEN, State.REASONING, State.HEADER):
            assert all(known & set(sequence) for sequence in transition.condition)


@families
def test_a_sequence_has_at_most_one_name_and_no_white_space_after_white_space(format):
    for _, _, sequence in sequences(format):
        assert sum(item in NAMES for item in sequence) <= 1
        for item, following in pairwise(sequence):
            starts_with_space = isinstance(following, str) and following[:1].isspace()
            assert item is not Lookahead.SPACE or not starts_with_space


@families
def test_every_transition_out_of_a_value_or_json_has_a_condition(format):
    """The text of either may contain the delimiter that ends it."""
    for state, delimiter, transition in transitions(format):
        if state in (State.VALUE, *JSON):
            assert transition.condition, delimiter


@families
def test_no_condition_is_always_or_never_true(format):
    for state, to, sequence in sequences(format):
        assert sequence, "an empty sequence always follows"
        if Lookahead.OUTSIDE_STRING in sequence:
            assert state in JSON, "no other state tracks strings"
            assert Lookahead.OUTSIDE_STRING not in sequence[1:], "it is where the delimiter is"
            assert len(sequence) == 1 or NAMES & set(sequence), "others are compiled together"
        assert Lookahead.KEY not in sequence or to in (State.ARGUMENTS, State.KEY) or TOOLS & set(sequence)
        assert Lookahead.END not in sequence[:-1], "nothing follows the end"


@families
def test_no_sequence_of_a_condition_makes_another_one_redundant(format):
    for _, _, transition in transitions(format):
        for one, other in permutations(transition.condition or (), 2):
            assert other[: len(one)] != one, "whatever matches the longer sequence matches the shorter one"


@families
def test_only_transitions_to_a_value_have_an_encoding(format):
    for _, _, transition in transitions(format):
        assert transition.to is State.VALUE or transition.encoding is Encoding.BY_SCHEMA


@families
def test_the_name_pattern_finds_the_name(format):
    assert not format.name_pattern or re.fullmatch(format.name_pattern, "functions.f:0")["name"] == "f"


def test_states_are_hashed_in_c():
    """`State.__hash__` is only worth its line while Enum's own is a function in Python."""
    assert isfunction(Enum.__hash__)
    assert not isfunction(State.__hash__)


def test_every_module_with_a_family_is_registered():
    names = [module.name for module in pkgutil.iter_modules(headrace.formats.__path__)]
    modules = [import_module(f"headrace.formats.{name}") for name in names]

    assert {module for module in modules if hasattr(module, "FAMILY")} == set(FAMILIES)


def test_no_two_formats_share_a_name():
    formats = [format for module in FAMILIES for format in module.FAMILY]

    assert len(FORMATS) == sum(1 + len(format.aliases) for format in formats)
