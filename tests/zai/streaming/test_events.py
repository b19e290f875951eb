"""Chunks → typed events."""

import pytest

from headrace.wire.chunk import Chunk, ChunkChoice, Delta, FunctionDelta, ToolCallDelta, Usage
from headrace.wire.completion import fold
from zai.streaming.events import EventReader

USAGE = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)


def chunk(delta=None, *, reason=None, usage=None, index=0):
    choice = ChunkChoice(index=index, delta=delta or Delta(), finish_reason=reason)
    return Chunk(id="turn", choices=[choice], usage=usage)


def call(index, arguments="", *, name=None, id=None):
    function = FunctionDelta(name=name, arguments=arguments)
    return chunk(Delta(tool_calls=[ToolCallDelta(index=index, id=id, type="function", function=function)]))


def events_of(*chunks):
    reader = EventReader()
    return [event for each in chunks for event in reader.feed(each)] + reader.finish()


def summary(*chunks):
    """Return the type of each event and what it adds, in short."""
    out = []
    for event in events_of(*chunks):
        detail = next(
            (
                getattr(event, name)
                for name in ("delta", "text", "arguments", "name", "reason")
                if hasattr(event, name)
            ),
            None,
        )
        out.append((event.type, detail))
    return out


def test_the_order_is_thinking_answer_calls_usage_finish():
    assert summary(
        chunk(Delta(reasoning_content="Let me ")),
        chunk(Delta(reasoning_content="see.")),
        chunk(Delta(content="Hel")),
        chunk(Delta(content="lo")),
        call(0, "", name="add", id="call_a"),
        call(0, '{"a":'),
        call(0, "1}"),
        chunk(Delta(content=""), reason="tool_calls", usage=USAGE),
    ) == [
        ("reasoning.delta", "Let me "),
        ("reasoning.delta", "see."),
        ("reasoning.done", "Let me see."),
        ("content.delta", "Hel"),
        ("content.delta", "lo"),
        ("content.done", "Hello"),
        ("tool_call.start", "add"),
        ("tool_call.arguments.delta", '{"a":'),
        ("tool_call.arguments.delta", "1}"),
        ("tool_call.done", '{"a":1}'),
        ("usage", None),
        ("finish", "tool_calls"),
    ]


def test_a_call_is_done_as_soon_as_the_next_begins():
    kinds = [kind for kind, _ in summary(call(0, "{}", name="f", id="a"), call(1, "{}", name="g", id="b"))]

    assert kinds == [
        "tool_call.start",
        "tool_call.arguments.delta",
        "tool_call.done",
        "tool_call.start",
        "tool_call.arguments.delta",
        "tool_call.done",
        "finish",
    ]


def test_calls_that_are_written_at_once_are_each_done_once_and_whole():
    events = events_of(
        call(0, "", name="f", id="a"),
        call(1, "", name="g", id="b"),
        call(0, '{"x":'),
        call(1, '{"y":'),
        call(0, "1}"),
        call(1, "2}"),
        chunk(reason="tool_calls"),
    )

    done = [(event.index, event.id, event.parsed) for event in events if event.type == "tool_call.done"]
    assert done == [(0, "a", {"x": 1}), (1, "b", {"y": 2})]


def test_parsed_arguments_grow_with_the_deltas():
    reader = EventReader()
    seen = []
    for each in (call(0, '{"city": "Bei', name="f", id="a"), call(0, 'jing", "n": 1'), call(0, "2}")):
        seen += [
            dict(event.parsed) for event in reader.feed(each) if event.type == "tool_call.arguments.delta"
        ]

    assert seen == [{"city": "Bei"}, {"city": "Beijing"}, {"city": "Beijing", "n": 12}]


def test_arguments_are_not_parsed_where_nobody_asks():
    reader = EventReader()
    (_, delta) = reader.feed(call(0, '{"a": 1}', name="f", id="a"))

    assert delta._partial.scanned == 0
    assert delta.parsed == {"a": 1}
    assert delta._partial.scanned == 8


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        ("{}", {}),
        ('{"a":1}', {"a": 1}),
        ('{"a":', None),
        ("[1]", [1]),
        ("[" * 100_000, None),
    ],
)
def test_a_done_call_has_its_arguments_parsed_or_none(arguments, parsed):
    (done,) = [event for event in events_of(call(0, arguments, name="f")) if event.type == "tool_call.done"]

    assert (done.arguments, done.parsed) == (arguments, parsed)


@pytest.mark.parametrize("arguments", ["", "null", "{}"])
def test_a_call_without_arguments_has_an_empty_object(arguments):
    (done,) = [event for event in events_of(call(0, arguments, name="f")) if event.type == "tool_call.done"]

    assert (done.arguments, done.parsed) == ("{}", {})


def test_a_truncated_call_without_arguments_has_none():
    (done,) = [
        event
        for event in events_of(call(0, "", name="f"), call(1, "", name="g"), chunk(reason="length"))
        if event.type == "tool_call.done"
    ]

    assert (done.name, done.arguments, done.parsed) == ("f", "", None)


def test_a_call_that_was_cut_off_is_done_at_the_end_without_being_parsed():
    kinds = summary(call(0, '{"a": "b', name="f"), chunk(reason="length"))

    assert kinds[-2:] == [("tool_call.done", '{"a": "b'), ("finish", "length")]


def test_calls_are_counted_as_in_the_whole_answer():
    chunks = [call(3, "{}", name="f", id="a"), call(9, "{}", name="g", id="b")]
    starts = [(event.index, event.id) for event in events_of(*chunks) if event.type == "tool_call.start"]

    assert (
        starts
        == [(each.index, each.id) for each in fold(chunks).choices[0].message.tool_calls]
        == [(0, "a"), (1, "b")]
    )


def test_a_call_is_announced_when_its_name_is_known_and_only_once():
    events = summary(call(0, "", id="a"), call(0, "", name="f"), call(0, "{}", name="f", id="a"))

    assert [kind for kind, _ in events].count("tool_call.start") == 1


def test_arguments_wait_for_the_name():
    chunks = [call(0, '{"a"', id="a"), call(0, ":"), call(0, "1}", name="f")]

    assert summary(*chunks) == [
        ("tool_call.start", "f"),
        ("tool_call.arguments.delta", '{"a":1}'),
        ("tool_call.done", '{"a":1}'),
        ("finish", "stop"),
    ]


def test_a_call_without_a_name_is_told_when_it_ends():
    assert summary(call(0, "{}", id="a"), call(1, "{}", name="g")) == [
        ("tool_call.start", ""),
        ("tool_call.arguments.delta", "{}"),
        ("tool_call.done", "{}"),
        ("tool_call.start", "g"),
        ("tool_call.arguments.delta", "{}"),
        ("tool_call.done", "{}"),
        ("finish", "stop"),
    ]


def test_thinking_that_comes_back_is_told_apart():
    assert [
        kind
        for kind, _ in summary(
            chunk(Delta(reasoning_content="a")),
            chunk(Delta(content="b")),
            chunk(Delta(reasoning_content="c")),
        )
    ] == [
        "reasoning.delta",
        "reasoning.done",
        "content.delta",
        "content.done",
        "reasoning.delta",
        "reasoning.done",
        "finish",
    ]


def test_a_delta_may_hold_both():
    assert summary(chunk(Delta(reasoning_content="a", content="b"), reason="stop"))[:4] == [
        ("reasoning.delta", "a"),
        ("reasoning.done", "a"),
        ("content.delta", "b"),
        ("content.done", "b"),
    ]


def test_content_that_is_a_list_of_parts_is_told_as_its_json():
    parts = [{"type": "text", "text": "a"}]

    assert summary(chunk(Delta(content=parts)), chunk(Delta(content="b"))) == [
        ("content.delta", '[{"type":"text","text":"a"}]'),
        ("content.delta", "b"),
        ("content.done", '[{"type":"text","text":"a"}]b'),
        ("finish", "stop"),
    ]


def test_the_usage_may_come_after_the_finish_reason():
    events = summary(chunk(Delta(content="a"), reason="stop"), Chunk(choices=[], usage=USAGE))

    assert [kind for kind, _ in events] == ["content.delta", "content.done", "usage", "finish"]


def test_other_choices_than_the_first_are_left_alone():
    both = Chunk(
        choices=[chunk(Delta(content=text), index=index).choices[0] for index, text in ((1, "a"), (0, "b"))]
    )

    assert summary(chunk(Delta(content="a"), index=1)) == [("finish", "stop")]
    assert summary(both) == [("content.delta", "b"), ("content.done", "b"), ("finish", "stop")]
