"""Tool-call deltas → calls in sequence. Complete streams of servers: tests/test_recorded_calls.py."""

from headrace.events import ToolCallArguments, ToolCallEnd, ToolCallStart
from headrace.wire.call_assembler import CallAssembler
from headrace.wire.chunk import FunctionDelta, ToolCallDelta


def delta(index, arguments="", *, name=None, id=None):
    return ToolCallDelta(index=index, id=id, function=FunctionDelta(name=name, arguments=arguments))


def test_the_start_of_an_offered_tool_does_not_wait_for_arguments():
    assert CallAssembler({"f"}).feed(delta(0, name="f", id="a")) == [ToolCallStart(0, "f", "a")]
    assert CallAssembler({"f", "fast"}).feed(delta(0, name="f", id="a")) == []
    assert CallAssembler().feed(delta(0, name="f", id="a")) == []


def test_a_call_ends_when_the_next_one_starts():
    assembler = CallAssembler({"f"})
    assembler.feed(delta(0, '{"a":1}', name="f"))

    assert assembler.feed(delta(1, "{}", name="f")) == [ToolCallEnd(0), ToolCallStart(1, "f")]


def test_the_second_of_two_interleaved_calls_waits_for_the_end_of_the_first():
    assembler = CallAssembler({"f"})
    assembler.feed(delta(0, '{"a":', name="f"))

    assert assembler.feed(delta(1, '{"b":', name="f")) == []
    assert assembler.feed(delta(0, "1}")) == [
        ToolCallArguments(0, "1}"),
        ToolCallEnd(0),
        ToolCallStart(1, "f"),
        ToolCallArguments(1, '{"b":'),
    ]


def test_empty_arguments_in_a_delta_of_their_own_are_final():
    assembler = CallAssembler({"f"})
    assembler.feed(delta(0, name="f", id="a"))

    assert assembler.feed(delta(0, "{}")) == [ToolCallArguments(0, "{}")]
    assert assembler.feed(delta(1, name="f", id="b")) == [ToolCallEnd(0), ToolCallStart(1, "f", "b")]


def test_a_call_without_a_name_starts_when_it_ends_so_that_indexes_have_no_gap():
    assembler = CallAssembler({"f"})

    assert assembler.feed(delta(0, "{}")) == []
    assert assembler.feed(delta(1, name="f")) == [
        ToolCallStart(0, ""),
        ToolCallArguments(0, "{}"),
        ToolCallEnd(0),
        ToolCallStart(1, "f"),
    ]


def test_a_truncated_call_has_no_end_and_an_uncertain_name_is_not_emitted():
    assembler = CallAssembler({"f", "fast"})
    assembler.feed(delta(0, '{"a', name="f", id="a"))
    assembler.feed(delta(1, name="f", id="b"))

    assert assembler.finish("length") == []
    assert assembler.is_truncated


def test_the_snapshot_is_what_was_received_so_far():
    assembler = CallAssembler()
    assembler.add(delta(0, '{"a"', name="f", id="a"))
    assembler.add(delta(1, "", name="g"))

    assert list(assembler.snapshot(None)) == [("a", "f", '{"a"'), ("", "g", "")]
    assert list(assembler.snapshot("tool_calls")) == [("a", "f", '{"a"'), ("", "g", "{}")]


def test_events_after_a_finish_continue_the_sequence():
    assembler = CallAssembler({"f"})
    assembler.feed(delta(0, "{}", name="f", id="a"))
    assembler.finish("tool_calls")

    assert assembler.finish("tool_calls") == []
    assert assembler.feed(delta(1, name="f", id="b")) == [ToolCallStart(1, "f", "b")]
