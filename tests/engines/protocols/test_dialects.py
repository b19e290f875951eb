"""Streams of non-conforming servers become correct chunks, at every cut. The cases are in tests/traces/wire."""

import json

import pytest

from contract import Contract
from dialects import CASES, TOOLS, TRACES, ask, chunks_of, events_of, parser, protocol, streams, upstream
from headrace.chunks import merge
from headrace.errors import DecodeError
from headrace.turns import Interpreter
from headrace.wire import fold
from headrace.wire.decode import decode_chunk

every_case = pytest.mark.parametrize("case", CASES, ids=[f"{case.parent.name}/{case.name}" for case in CASES])


def whole(data):
    return [data]


def answer(case, **fields):
    generation = ask(tools=TOOLS, **{"tool_stream": True, **fields})
    return chunks_of(case.parent.name, events_of(case, whole, **fields), generation)


@every_case
def test_the_folded_answer_is_the_expected_one(case):
    expected = json.loads((case / "answer.json").read_text())
    folded = fold(decode_chunk(json.dumps(chunk).encode()) for chunk in answer(case))
    message = folded.choices[0].message

    assert message.content == expected["content"]
    assert message.reasoning_content == expected.get("reasoning_content")
    calls = [
        {"name": call.function.name, "arguments": call.function.arguments}
        for call in message.tool_calls or ()
    ]
    assert calls == expected.get("calls", [])
    assert folded.choices[0].finish_reason == expected["finish_reason"]
    assert folded.usage.to_dict() == expected["usage"]


@pytest.mark.parametrize("case", [case for case in CASES if streams(case)], ids=lambda case: case.name)
def test_every_cut_gives_the_same_events(case):
    data = upstream(case).read_bytes()
    at_once = merge(events_of(case, whole))

    assert merge(events_of(case, lambda data: [data[at : at + 1] for at in range(len(data))])) == at_once
    for at in range(1, len(data), 7):
        assert merge(events_of(case, lambda data, at=at: [data[:at], data[at:]])) == at_once


@every_case
@pytest.mark.parametrize("tool_stream", [True, False])
def test_the_events_obey_the_contract(case, tool_stream):
    contract = Contract()
    generation = ask(tools=TOOLS, tool_stream=tool_stream)
    interpreter = Interpreter(lambda: parser(case.parent.name, generation.request))
    events = interpreter.feed(events_of(case, whole, tool_stream=tool_stream))

    assert [violation for event in events for violation in contract.feed(event)] + contract.finish() == []


@pytest.mark.parametrize("kind", ["chat", "completions"])
def test_invalid_utf_8_is_an_error_at_any_position(kind):
    choice = {"index": 0, "text": "Hi", "delta": {"content": "Hi"}}
    data = json.dumps({"id": "1", "choices": [choice], "other": {"a": "b"}}).encode()

    for at in range(len(data)):
        with pytest.raises(DecodeError, match="cannot be decoded"):
            protocol(kind).reader(ask()).feed(data[:at] + b"\xff" + data[at + 1 :])


def test_a_call_that_the_clients_stop_truncated_is_no_network_error():
    chunks = answer(TRACES / "chat" / "truncated-call", stop=[","])

    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@every_case
def test_calls_have_gapless_indexes_and_one_name(case):
    deltas = [call for chunk in answer(case) for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    begun = [delta for delta in deltas if "id" in delta]

    assert [delta["index"] for delta in begun] == list(range(len(begun)))
    assert all(delta["id"] and delta["function"]["name"] for delta in begun)
    assert all("name" not in delta["function"] for delta in deltas if "id" not in delta)
    assert all(isinstance(delta["function"]["arguments"], str) for delta in deltas)


@every_case
def test_without_tool_stream_a_call_is_one_delta_and_one_that_is_cut_off_is_none(case):
    expected = json.loads((case / "answer.json").read_text())
    calls = [call["arguments"].replace('": "', '":"') for call in expected.get("calls", [])]  # compact
    if expected["finish_reason"] in ("length", "network_error"):
        calls = [arguments for arguments in calls if arguments.endswith("}")]
    chunks = answer(case, tool_stream=False)
    deltas = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    arguments = [delta["function"]["arguments"] for delta in deltas if delta["function"]["arguments"]]

    assert arguments == calls
