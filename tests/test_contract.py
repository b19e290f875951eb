import pytest

from contract import Contract
from headrace.events import (
    Content,
    Finish,
    Progress,
    Reasoning,
    Text,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
)

CALL = [ToolCallStart(0, "f"), ToolCallArguments(0, "{"), ToolCallArguments(0, "}"), ToolCallEnd(0)]


def violations(*events):
    contract = Contract()
    return [wrong for event in events for wrong in contract.feed(event)] + contract.finish()


@pytest.mark.parametrize(
    "events",
    [
        [Finish("stop")],
        [Progress(0, 5), Progress(5, 5), Reasoning("a"), Content("b"), Finish("stop")],
        [Content("b"), *CALL, Content("c"), Finish("tool_calls")],
        [
            *CALL,
            ToolCallStart(1, "f", "id"),
            ToolCallArguments(1, "{}"),
            ToolCallEnd(1),
            Finish("tool_calls"),
        ],
        [
            ToolCallStart(0, "f"),
            Content("late"),
            ToolCallArguments(0, "{}"),
            ToolCallEnd(0),
            Finish("tool_calls"),
        ],
        [ToolCallStart(0, "f"), ToolCallArguments(0, '{"a'), Finish("length")],
        [ToolCallStart(0, "f"), Finish("network_error")],
        [ToolCallStart(0, "f", arguments="{}"), ToolCallEnd(0), Finish("tool_calls")],
        [Content("b"), Finish("length")],
    ],
)
def test_a_correct_stream_has_no_violation(events):
    assert violations(*events) == []


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], "without a finish"),
        ([Finish("stop"), Content("a")], "after the finish"),
        ([Finish("stop"), Finish("stop")], "after the finish"),
        ([Text("<think>"), Finish("stop")], "not parsed"),
        ([Content("a"), Progress(1, 2), Finish("stop")], "after output"),
        ([Content(""), Finish("stop")], "is empty"),
        ([Reasoning(""), Finish("stop")], "is empty"),
        ([*CALL[:2], ToolCallArguments(0, ""), *CALL[2:], Finish("tool_calls")], "is empty"),
        ([ToolCallStart(1, "f"), Finish("length")], "should have the index 0"),
        ([ToolCallStart(0, ""), Finish("length")], "has no name"),
        ([*CALL, ToolCallStart(0, "f"), Finish("length")], "should have the index 1"),
        (
            [ToolCallStart(0, "f", "x"), *CALL[1:], ToolCallStart(1, "f", "x"), Finish("length")],
            "the id of another call",
        ),
        ([ToolCallStart(0, "f"), ToolCallStart(1, "g"), Finish("length")], "before call 0 has ended"),
        ([ToolCallStart(0, "f"), ToolCallEnd(0), Finish("tool_calls")], "without arguments"),
        ([*CALL, ToolCallArguments(0, "x"), Finish("tool_calls")], "no open call"),
        ([*CALL, ToolCallEnd(0), Finish("tool_calls")], "no open call"),
        ([*CALL[:1], ToolCallArguments(1, "x"), *CALL[1:], Finish("tool_calls")], "no open call"),
        ([ToolCallArguments(0, "x"), Finish("stop")], "no open call"),
        ([*CALL[:2], Finish("tool_calls")], "has no end"),
        ([*CALL, Finish("stop")], "finish reason is stop"),
        ([Finish("tool_calls")], "finish reason is tool_calls"),
    ],
)
def test_a_violation_is_reported_once(events, expected):
    [wrong] = violations(*events)

    assert expected in wrong
