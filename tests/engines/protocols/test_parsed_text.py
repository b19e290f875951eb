"""Text that a server has parsed: what its parser leaves there, and how an answer ended that filled the context."""

import json

import pytest

from dialects import TOOLS, ask, chunks_of, protocol
from headrace.events import Content, Finish, Reasoning, ToolCallStart
from scripted_server import chunk

CALL = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "get_time", "arguments": "{}"}}]}


def read(*deltas, reason="stop", dialect="vllm", completion=5, **fields):
    generation = ask(tools=TOOLS, **fields)
    reader = protocol("chat", dialect).reader(generation)
    chunks = [chunk(delta=delta) for delta in deltas]
    usage = {"prompt_tokens": 3973, "completion_tokens": completion, "total_tokens": 3973 + completion}
    chunks.append(chunk(delta={}, finish_reason=reason, usage=usage))
    return [event for each in chunks for event in reader.feed(json.dumps(each).encode())] + reader.finish()


def text(events, kind):
    return "".join(event.text for event in events if isinstance(event, kind))


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("ends", [["\n"], ["\n", "\n"], ["\n\n"]])
def test_line_ends_before_reasoning_and_content_are_dropped_in_every_cut(field, ends):
    thoughts = [{field: end} for end in ends] + [{field: "A\n"}, {field: "\nB"}]
    words = [{"content": end} for end in ends] + [{"content": "\nC\n"}, {"content": "\n D"}]
    events = read(*thoughts, *words)

    assert text(events, Reasoning) == "A\n\nB"
    assert text(events, Content) == "C\n\n D"


def test_the_line_ends_of_zais_own_answer_are_kept():
    events = read({"reasoning_content": "\nA"}, {"content": "\n"}, {"content": "B"}, dialect="zai")

    assert (text(events, Reasoning), text(events, Content)) == ("\nA", "\nB")


def test_a_line_end_between_reasoning_and_a_call_is_dropped():
    events = read({"reasoning_content": "A"}, {"content": "\n"}, CALL, reason="tool_calls")

    assert not text(events, Content)
    assert any(isinstance(event, ToolCallStart) for event in events)


def test_invalid_utf_8_is_dropped():
    events = read({"reasoning_content": "A\ufffd"}, {"content": "\ufffd"}, {"content": "堺市赁\ufffd。"})

    assert text(events, Reasoning) + text(events, Content) == "A堺市赁。"


@pytest.mark.parametrize(
    ("dialect", "fields", "completion", "reason"),
    [
        ("vllm", {}, 123, "model_context_window_exceeded"),
        ("vllm", {"max_tokens": 1000}, 123, "model_context_window_exceeded"),
        ("vllm", {"max_tokens": 123}, 123, "length"),
        ("sglang", {}, 123, "model_context_window_exceeded"),
        ("llama.cpp", {}, 123, "model_context_window_exceeded"),
        ("openai", {}, 123, "length"),
        ("openai", {"max_tokens": 1000}, 123, "length"),
        ("zai", {"max_tokens": 1000}, 123, "length"),
    ],
)
def test_an_answer_that_filled_the_context_says_so(dialect, fields, completion, reason):
    finish = read({"content": "A"}, reason="length", dialect=dialect, completion=completion, **fields)[-1]

    assert isinstance(finish, Finish)
    assert finish.reason == reason


@pytest.mark.parametrize("reason", ["length", "tool_calls", "stop"])
def test_half_a_call_is_not_sent_without_tool_stream(reason):
    half = {
        "tool_calls": [{"index": 0, "id": "a", "function": {"name": "get_weather", "arguments": '{"loc'}}]
    }
    whole, streamed = (
        chunks_of("chat", read(half, reason=reason, tool_stream=tool_stream), ask(tools=TOOLS))
        for tool_stream in (False, True)
    )

    assert not any(chunk["choices"][0]["delta"].get("tool_calls") for chunk in whole)
    assert any(chunk["choices"][0]["delta"].get("tool_calls") for chunk in streamed)
    assert whole[-1]["choices"][0]["finish_reason"] in ("model_context_window_exceeded", "network_error")
