import pytest

from headrace.events import Content, ToolCallArguments, ToolCallEnd, ToolCallStart
from headrace.parsing.call_buffer import CallBuffer


def arguments_of(text):
    """Return the arguments of a buffered call."""
    events = CallBuffer().feed([ToolCallStart(0, "f"), ToolCallArguments(0, text), ToolCallEnd(0)])
    return events[0].arguments


def test_a_call_is_emitted_once_it_is_complete():
    calls = CallBuffer()

    assert calls.feed([ToolCallStart(0, "f"), ToolCallArguments(0, '{"a"')]) == []
    assert calls.feed([ToolCallArguments(0, ":1}"), ToolCallEnd(0)]) == [
        ToolCallStart(0, "f", arguments='{"a":1}'),
        ToolCallEnd(0),
    ]


def test_arguments_are_compact_with_sorted_keys_on_the_top_level():
    assert (
        arguments_of('{"b": [1, 2.0], "a": {"z": 1, "y": "\\u00e9"}}') == '{"a":{"z":1,"y":"é"},"b":[1,2.0]}'
    )


def test_the_last_of_two_arguments_with_the_same_name_counts():
    assert arguments_of('{"a":1,"a":2}') == '{"a":2}'


def test_a_number_of_any_size_is_exact():
    assert arguments_of('{"a":123456789012345678901234567890}') == '{"a":123456789012345678901234567890}'


@pytest.mark.parametrize(
    "text", ['{"a": nonsense', "[1, 2]", '"text"', '{"a": NaN}', '{"a": 1e999}', '{"a": ' + "[" * 100_000]
)
def test_arguments_that_cannot_be_decoded_are_unchanged(text):
    assert arguments_of(text) == text


def test_a_call_that_is_cut_off_is_not_emitted():
    calls = CallBuffer()

    assert calls.feed([ToolCallStart(0, "f"), ToolCallArguments(0, '{"a": '), Content("x")]) == [Content("x")]


def test_other_events_are_not_buffered():
    calls = CallBuffer()

    assert calls.feed([ToolCallStart(0, "f"), Content("a")]) == [Content("a")]


def test_a_call_without_an_end_is_emitted_before_the_next_one():
    calls = CallBuffer()

    assert calls.feed([ToolCallStart(0, "f"), ToolCallStart(1, "g"), ToolCallEnd(1)]) == [
        ToolCallStart(0, "f"),
        ToolCallStart(1, "g"),
        ToolCallEnd(1),
    ]


def test_events_of_a_call_that_never_began_are_not_buffered():
    assert CallBuffer().feed([ToolCallArguments(0, "x"), ToolCallEnd(0)]) == [
        ToolCallArguments(0, "x"),
        ToolCallEnd(0),
    ]
