"""The stream of the Messages API: the same answer as chat completions, at every cut and with every ending."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.chunks import ChunkEncoder, merge
from headrace.errors import EngineError, LimitError, RequestError
from headrace.events import (
    Content,
    Finish,
    Reasoning,
    TokenUsage,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
)
from headrace.message_events import MessageEncoder
from headrace.server.frames import FrameEncoder
from headrace.sse import SseDecoder
from headrace.wire import fold
from headrace.wire.messages import fold_message
from message_grammar import violations

STOP_REASONS = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "model_context_window_exceeded": "model_context_window_exceeded",
    "sensitive": "refusal",
}
USAGE = TokenUsage(prompt=20, completion=9, cached=5, reasoning=3)
CALL = [ToolCallStart(0, "f"), ToolCallArguments(0, '{"a"'), ToolCallArguments(0, ":1}"), ToolCallEnd(0)]
ANSWER = [Reasoning("I "), Reasoning("think"), Content("Hi"), *CALL, Finish("tool_calls", USAGE)]


class Parsed:
    """An interpreter of events that are parsed already."""

    def feed(self, events):
        return list(events)


@st.composite
def answers(draw):
    """The events of an answer with any ending; a truncated call has no end."""
    events, calls = [], 0
    for kind in draw(st.lists(st.sampled_from(["r", "c", "t", "w"]), max_size=6)):
        texts = draw(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3))
        match kind:
            case "r":
                events += map(Reasoning, texts)
            case "c":
                events += map(Content, texts)
            case "t":
                fragments = ['{"a": ', *json.dumps(draw(st.text(max_size=5))), "}"]
                arguments = [ToolCallArguments(calls, one) for one in fragments]
                events += [ToolCallStart(calls, "f"), *arguments, ToolCallEnd(calls)]
                calls += 1
            case "w":
                events += [ToolCallStart(calls, "f", "own", '{"a": 1}'), ToolCallEnd(calls)]
                calls += 1
    reason = draw(st.sampled_from(["tool_calls" if calls else "stop", "length", "sensitive"]))
    if reason == "length" and draw(st.booleans()):
        events += [ToolCallStart(calls, "f"), ToolCallArguments(calls, '{"a": "b')]
    error = draw(st.sampled_from(["", "", "lost"]))
    return [*events, Finish("network_error" if error else reason, USAGE, error)]


def decode(body):
    """Return the data of the events, whose names must be their types."""
    events = SseDecoder().feed(body)
    data = [json.loads(event.data) for event in events]
    assert [event.event for event in events] == [one["type"] for one in data]
    return data


def whole(events):
    encoder = MessageEncoder("t1", "glm-4.6", lambda: 20)
    return fold_message(payload for event in events for payload in encoder.encode(event))


def parts(message):
    """Return the text, the thinking and the calls of a message."""
    texts = {"text": "", "thinking": ""}
    calls = []
    for block in message["content"]:
        kind = block["type"]
        if kind == "tool_use":
            calls.append((block["name"], block["input"]))
        else:
            texts[kind] += block[kind]
    return texts["text"], texts["thinking"], calls


@given(answers())
def test_the_same_log_folds_to_the_same_answer_as_chat_completions(events):
    chunks = ChunkEncoder("t1", 1, "glm-4.6")
    completion = fold(chunk for event in events if (chunk := chunks.encode(event)))
    choice = completion.choices[0]
    message = whole(events)

    calls = choice.message.tool_calls or ()
    assert parts(message) == (
        choice.message.content,
        choice.message.reasoning_content or "",
        [(call.function.name, _object(call.function.arguments)) for call in calls],
    )
    if choice.finish_reason == "network_error":
        assert message["stop_reason"] is None
    else:
        assert message["stop_reason"] == STOP_REASONS[choice.finish_reason]
        assert message["usage"]["output_tokens"] == completion.usage.completion_tokens
        used = message["usage"]
        assert used["input_tokens"] + used["cache_read_input_tokens"] == completion.usage.prompt_tokens


def _object(arguments):
    try:
        return json.loads(arguments)
    except ValueError:
        return {"arguments": arguments}


@given(answers(), st.booleans())
def test_every_stream_obeys_the_grammar_and_folds_to_the_whole_answer(events, merges):
    encoder = MessageEncoder("t1", "glm-4.6", lambda: 20)
    frames = FrameEncoder(Parsed(), encoder)
    pieces = [events] if merges else [[event] for event in events]
    stream = decode(b"".join(map(frames.encode, pieces)))

    assert violations(stream) == []
    assert fold_message(stream) == whole(events)


@given(answers(), st.data())
def test_a_stream_resumed_after_any_id_continues_the_blocks(events, data):
    def encode(after, cuts=()):
        frames = FrameEncoder(
            Parsed(), MessageEncoder("t1", "glm-4.6", lambda: 20), numbered=True, after=after
        )
        places = [0, *sorted(cuts), len(events)]
        return b"".join(frames.encode(events[start:end]) for start, end in pairwise(places))

    cuts = st.lists(st.integers(0, len(events)))
    received = SseDecoder().feed(encode(0, data.draw(cuts)))
    received = received[: data.draw(st.integers(0, len(received)))]
    last = int(received[-1].id or 0) if received else 0
    # What followed the event with this id belongs to the next one, which the client receives again.
    end = next((at for at, event in enumerate(received, 1) if last and int(event.id or 0) == last), 0)
    rest = encode(last, data.draw(cuts))
    stream = decode(b"".join(map(_encoded, received[:end])) + rest)

    assert violations(stream) == []
    assert fold_message(stream) == whole(events)


def _encoded(event):
    return b"event: %b\ndata: %b\n\n" % (event.event.encode(), event.data)


def test_blocks_are_closed_before_the_next_one_opens():
    stream = decode(FrameEncoder(Parsed(), MessageEncoder("t1", "glm-4.6", lambda: 20)).encode(ANSWER))

    assert [(one["type"], one.get("index")) for one in stream if "delta" not in one] == [
        ("message_start", None),
        ("content_block_start", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_stop", 1),
        ("content_block_start", 2),
        ("content_block_stop", 2),
        ("message_stop", None),
    ]
    assert stream[0]["message"]["usage"]["input_tokens"] == 20
    assert stream[-2]["usage"] == {
        "input_tokens": 15,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 5,
        "output_tokens": 9,
    }


def test_two_answers_have_no_id_in_common():
    """The same id of a message or of a call sends Claude Code into an endless loop."""
    ids = [set(_ids(MessageEncoder(turn, "m"))) for turn in ("t1", "t2")]
    assert ids[0].isdisjoint(ids[1])
    assert len(ids[0]) == 2
    assert ids[0] == set(_ids(MessageEncoder("t1", "m")))  # also after a resume


def _ids(encoder):
    for event in [ToolCallStart(0, "f", "functions.f:0"), ToolCallEnd(0), Finish("tool_calls")]:
        for data in encoder.encode(event):
            yield from [part["id"] for part in (data.get("message"), data.get("content_block")) if part]


@given(st.text(alphabet='a\u2028\u2029\x85\n"\\é', min_size=1, max_size=6))
def test_no_line_end_of_any_kind_is_in_the_data(text):
    frames = FrameEncoder(Parsed(), MessageEncoder("t1", "m"))
    body = frames.encode([Content("a"), Content(text), Finish("stop")])

    assert len(body.decode().splitlines()) == body.count(b"\n")
    assert fold_message(decode(body))["content"] == [{"type": "text", "text": f"a{text}"}]


def test_a_known_stop_string_is_reported():
    assert _ending(Finish("stop", USAGE, stop="END")) == ("stop_sequence", "END")
    assert _ending(Finish("stop", USAGE)) == ("end_turn", None)
    assert _ending(Finish("tool_calls", USAGE, stop="END")) == ("tool_use", None)


def _ending(finish):
    message = whole([Content("a"), finish])
    return message["stop_reason"], message["stop_sequence"]


# --- thinking -------------------------------------------------------------------------------------


def test_hidden_thinking_is_an_empty_block_with_the_same_signature():
    shown, hidden = (
        fold_message(
            decode(FrameEncoder(Parsed(), MessageEncoder("t", "m", shows_thinking=shows)).encode(ANSWER))
        )
        for shows in (True, False)
    )

    assert shown["content"][0]["thinking"] == "I think"
    assert hidden["content"][0] == {**shown["content"][0], "thinking": ""}
    assert hidden["content"][1:] == shown["content"][1:]


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (None, "api_error"),
        (EngineError("lost"), "api_error"),
        (LimitError("lost", code="1303"), "overloaded_error"),
        (EngineError("lost", code="1221"), "overloaded_error"),
        (RequestError("lost"), "api_error"),
    ],
)
@pytest.mark.parametrize("before", [[], [Reasoning("a")], ANSWER[:5]])
def test_a_stream_that_breaks_ends_with_an_error_after_which_clients_try_again(error, kind, before):
    frames = FrameEncoder(Parsed(), MessageEncoder("t1", "m"))
    body = frames.encode(before)
    body += frames.fail(error) if error else frames.encode([Finish("network_error", error="lost")])
    stream = decode(body)

    assert violations(stream) == []
    assert stream[-1] == {"type": "error", "error": {"type": kind, "message": "lost"}}


def test_a_call_that_a_failure_cuts_off_is_not_closed():
    """Clients would run it."""
    events = [*ANSWER[:5], Finish("network_error", error="lost")]
    stream = decode(FrameEncoder(Parsed(), MessageEncoder("t1", "m")).encode(events))

    assert [one["type"] for one in stream[-2:]] == ["content_block_delta", "error"]
    assert whole(events)["content"][-1]["input"] == {"arguments": '{"a"'}


def test_an_answer_that_is_not_complete_is_an_error_without_a_reason_too():
    stream = decode(FrameEncoder(Parsed(), MessageEncoder("t1", "m")).encode([Finish("network_error")]))
    assert violations(stream) == []
    assert stream[-1]["error"]["type"] == "api_error"


# --- silence --------------------------------------------------------------------------------------


def test_a_silence_is_filled_by_pings_after_the_start_of_the_message():
    encoder = MessageEncoder("t1", "m")
    stream = decode(
        encoder.begin() + encoder.keep_alive("keep-alive", 15) + encoder.keep_alive("queued 2", 30)
    )

    assert [one["type"] for one in stream] == ["message_start", "ping", "ping"]
    assert encoder.begin() == b""


@pytest.mark.parametrize("before", [[], ANSWER[:1], ANSWER[:3], ANSWER[:5], ANSWER[:7]])
@pytest.mark.parametrize("shows", [True, False])
def test_a_long_silence_has_deltas_and_the_answer_stays_the_same(before, shows):
    encoder = MessageEncoder("t1", "m", shows_thinking=shows)
    frames = FrameEncoder(Parsed(), encoder)
    body = (
        frames.encode(before) + encoder.keep_alive("prefill 1/9", 300) + frames.encode(ANSWER[len(before) :])
    )
    stream = decode(body)

    assert violations(stream) == []
    kinds = [one["type"] for one in stream]
    if before != ANSWER[:7]:  # no block is open then
        assert kinds[kinds.index("ping") + 1 :][:3].count("content_block_delta")
    expected = FrameEncoder(Parsed(), MessageEncoder("t1", "m", shows_thinking=shows)).encode(ANSWER)
    assert fold_message(stream) == fold_message(decode(expected))


def test_hidden_thinking_has_a_delta_at_every_interval():
    encoder = MessageEncoder("t1", "m", shows_thinking=False)
    FrameEncoder(Parsed(), encoder).encode(ANSWER[:2])

    assert decode(encoder.keep_alive("keep-alive", 15))[-1]["delta"]["thinking"] == ""


def test_a_client_cannot_resume_after_a_block_that_only_its_own_stream_has():
    """It was opened before the first event, and then the answer did not begin with thinking."""
    encoder = MessageEncoder("t1", "m")
    frames = FrameEncoder(Parsed(), encoder, numbered=True)
    body = encoder.begin() + encoder.keep_alive("prefill 1/9", 300)
    body += frames.encode([Content("Hi")]) + frames.encode([Finish("stop", USAGE)])

    assert violations(decode(body)) == []
    assert b"id: " not in body
    assert [block["type"] for block in fold_message(decode(body))["content"]] == ["thinking", "text"]


def test_a_thinking_block_of_a_silence_is_that_of_the_answer():
    encoder = MessageEncoder("t1", "m")
    frames = FrameEncoder(Parsed(), encoder, numbered=True)
    body = encoder.begin() + encoder.keep_alive("prefill 1/9", 300)
    body += b"".join(frames.encode([event]) for event in ANSWER)

    assert violations(decode(body)) == []
    assert body.count(b"id: ") == len(ANSWER)
    assert fold_message(decode(body)) == {**whole(ANSWER), "model": "m"}


def test_merged_events_are_the_same_blocks():
    assert whole(merge(ANSWER)) == whole(ANSWER)
