"""The recorded streams of non-conforming servers: upstream reader, fold and SDK assemble the same calls."""

import json

import httpx2
import pytest

from dialects import TOOLS, TRACES, ask, read
from headrace.chunks import merge
from headrace.events import ToolCallArguments, ToolCallStart
from headrace.sse import DONE, SseDecoder, separate
from headrace.wire import decode_chunk, fold
from zai.streaming.events import EventReader, ToolCallDone
from zai.streaming.reader import StreamReader

CASES = sorted(path.parent for path in TRACES.glob("chat/*/upstream.sse"))
every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def upstream_calls(fragments):
    calls = {}
    for event in merge(read("chat", fragments, ask(tools=TOOLS, tool_stream=True))):
        match event:
            case ToolCallStart(index, name):
                calls[index] = (name, "")
            case ToolCallArguments(index, text):
                calls[index] = (calls[index][0], calls[index][1] + text)
    return list(calls.values())


def folded_calls(fragments):
    decoder = SseDecoder()
    events = [line for fragment in fragments for event in decoder.feed(fragment) for line in separate(event)]
    completion = fold(decode_chunk(event.data) for event in events if event.data != DONE)
    calls = completion.choices[0].message.tool_calls or ()
    return [(call.function.name, call.function.arguments) for call in calls]


def sdk_events(fragments):
    stream, reader = StreamReader(httpx2.Response(200)), EventReader()
    events = []
    for fragment in fragments:
        for event in stream.feed(fragment):
            if (chunk := stream.take(event)) is not None:
                events += reader.feed(chunk)
    return events + reader.finish()


def typed_calls(fragments):
    return [
        (event.name, event.arguments) for event in sdk_events(fragments) if isinstance(event, ToolCallDone)
    ]


READERS = [upstream_calls, folded_calls, typed_calls]


def in_two(data):
    return ([data[:at], data[at:]] for at in range(1, len(data)))


@pytest.mark.parametrize("calls_of", READERS)
@every_case
def test_the_calls_are_what_the_server_meant_whole_and_byte_by_byte(case, calls_of):
    data = (case / "upstream.sse").read_bytes()
    expected = [
        (call["name"], call["arguments"])
        for call in json.loads((case / "answer.json").read_text()).get("calls", [])
    ]

    assert calls_of([data]) == expected
    assert calls_of([data[at : at + 1] for at in range(len(data))]) == expected


@pytest.mark.parametrize(
    "case", [case for case in CASES if "think" not in case.name], ids=lambda case: case.name
)
def test_the_sdk_reads_the_texts_that_the_upstream_reader_reads(case):
    """Markup in the content is left to the program, and so are line ends before it."""
    data = (case / "upstream.sse").read_bytes()
    expected = json.loads((case / "answer.json").read_text())
    reader = StreamReader(httpx2.Response(200))
    for event in reader.feed(data):
        reader.take(event)
    message = reader.partial.choices[0].message

    assert str(message.content or message.refusal or "").lstrip("\n") == expected["content"]
    assert (message.reasoning_content or "").lstrip("\n") == expected.get("reasoning_content", "")


@every_case
def test_no_cut_in_two_changes_the_events_that_the_readers_get(case):
    data = (case / "upstream.sse").read_bytes()

    def decoded(fragments):
        decoder = SseDecoder()
        return [event for fragment in fragments for event in decoder.feed(fragment)]

    at_once = decoded([data])
    assert all(decoded(fragments) == at_once for fragments in in_two(data))


@every_case
def test_the_typed_events_of_a_call_are_a_start_its_arguments_and_its_end(case):
    open_calls, done = {}, []
    for event in sdk_events([(case / "upstream.sse").read_bytes()]):
        match event.type:
            case "tool_call.start":
                assert event.index == len(open_calls)
                open_calls[event.index] = ""
            case "tool_call.arguments.delta":
                open_calls[event.index] += event.delta
            case "tool_call.done":
                assert event.arguments == open_calls[event.index]
                done.append(event.index)

    assert done == list(open_calls)
