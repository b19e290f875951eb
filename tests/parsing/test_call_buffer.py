import pytest

from headrace.events import Content, ToolCallArguments, ToolCallEnd, ToolCallStart
from headrace.parsing.call_buffer import CallBuffer


def arguments_of(text):
    """What leaves for a call with these arguments."""
    events = CallBuffer().feed([ToolCallStart(0, "f"), ToolCallArguments(0, text), ToolCallEnd(0)])
    return events[0].arguments


def test_nothing_of_a_call_leaves_before_it_is_whole():
    calls = CallBuffer()

    assert calls.feed([ToolCallStart(0, "f"), ToolCallArguments(0, '{"a"')]) == []
    assert calls.feed([ToolCallArguments(0, ":1}"), ToolCallEnd(0)]) == [
        ToolCallStart(0, "f", arguments='{"a":1}'),
        ToolCallEnd(0),
    ]
    assert calls.finish() == []


def test_arguments_leave_compact_with_the_outermost_keys_in_order():
    assert (
        arguments_of('{"b": [1, 2.0], "a": {"z": 1, "y": "\\u00e9"}}') == '{"a":{"z":1,"y":"é"},"b":[1,2.0]}'
    )


def test_of_two_arguments_with_one_name_the_last_one_is_left():
    assert arguments_of('{"a":1,"a":2}') == '{"a":2}'


def test_a_number_of_any_size_is_exact():
    assert arguments_of('{"a":123456789012345678901234567890}') == '{"a":123456789012345678901234567890}'


@pytest.mark.parametrize(
    "text", ['{"a": nonsense', "[1, 2]", '"text"', '{"a": NaN}', '{"a": 1e999}', '{"a": ' + "[" * 100_000]
)
def test_what_cannot_be_validated_leaves_as_it_is(text):
    assert arguments_of(text) == text


def test_a_call_that_was_cut_off_leaves_as_far_as_it_came():
    calls = CallBuffer()
    calls.feed([ToolCallStart(0, "f"), ToolCallArguments(0, '{"a": ')])

    assert calls.finish() == [ToolCallStart(0, "f", arguments='{"a": ')]


def test_a_call_that_was_cut_off_before_its_arguments_leaves_without_any():
    calls = CallBuffer()
    calls.feed([ToolCallStart(0, "f")])

    assert calls.finish() == [ToolCallStart(0, "f")]


def test_other_events_pass_at_once():
    calls = CallBuffer()

    assert calls.feed([ToolCallStart(0, "f"), Content("a")]) == [Content("a")]


def test_a_call_without_an_end_leaves_before_the_next_one():
    calls = CallBuffer()

    assert calls.feed([ToolCallStart(0, "f"), ToolCallStart(1, "g"), ToolCallEnd(1)]) == [
        ToolCallStart(0, "f"),
        ToolCallStart(1, "g"),
        ToolCallEnd(1),
    ]


def test_events_of_a_call_that_never_began_pass():
    assert CallBuffer().feed([ToolCallArguments(0, "x"), ToolCallEnd(0)]) == [
        ToolCallArguments(0, "x"),
        ToolCallEnd(0),
    ]
