import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.chunks import ChunkEncoder
from headrace.errors import LimitError
from headrace.events import Finish, Text
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.server.frames import FrameEncoder
from headrace.sse import DONE, encode_event
from headrace.turns import Interpreter
from headrace.turns.takeover import Takeover
from wire_client import CALL, WEATHER, chunks_of, deltas, events_of

TOOLS = {"get_weather": WEATHER["function"]["parameters"]}
EVENTS = [*(Text(CALL[at : at + 5]) for at in range(0, len(CALL), 5)), Finish("stop")]


def encoder(*, error_event=None, **how):
    interpreter = Interpreter(lambda: OutputParser(FORMATS["glm-4.6"], TOOLS, tool_stream=True))
    return FrameEncoder(interpreter, ChunkEncoder("1", 1, "glm-4.6", error_event=error_event), **how)


def publish(log, events):
    log.append(events)
    log.publish()


def test_each_event_is_a_frame_and_done_is_the_last():
    frames = encoder()
    body = frames.encode([Text("<think>a</think>b")]) + frames.encode([Finish("stop")])

    assert frames.finished
    assert len(chunks_of(body)) == 3


def test_events_without_frames_are_no_bytes():
    assert encoder().encode([Text("<think>")]) == b""


# --- numbers --------------------------------------------------------------------------------------


def ids(body):
    return [int(event.id) for event in events_of(body) if event.data != DONE]


def test_frames_have_no_id_by_default():
    assert b"id:" not in encoder().encode(EVENTS)


def test_the_id_of_a_frame_is_the_ordinal_of_its_last_event():
    apart = encoder(numbered=True)
    bodies = [apart.encode([event]) for event in EVENTS]
    together = encoder(numbered=True)
    merged = together.encode(EVENTS)

    assert ids(b"".join(bodies)) == sorted(set(ids(b"".join(bodies))))
    assert set(ids(merged)) < set(ids(b"".join(bodies)))
    assert (apart.ordinal, together.ordinal) == (ids(merged)[-1],) * 2


def test_done_has_no_id():
    assert encoder(numbered=True).encode(EVENTS).endswith(b"}\n\ndata: [DONE]\n\n")


MEANT = Interpreter(lambda: OutputParser(FORMATS["glm-4.6"], TOOLS, tool_stream=True)).feed(EVENTS)


@given(st.integers(0, len(MEANT)), st.lists(st.integers(0, len(EVENTS)), max_size=6))
def test_after_an_ordinal_the_later_events_follow_in_every_split(after, cuts):
    frames = encoder(numbered=True, after=after)
    places = sorted({0, *cuts, len(EVENTS)})
    body = b"".join(frames.encode(EVENTS[start:end]) for start, end in pairwise(places))

    assert texts_of(body) == "".join(getattr(event, "text", "") for event in MEANT[after:])
    assert all(number > after for number in ids(body))
    assert events_of(body)[-1].data == DONE
    assert frames.ordinal == len(MEANT)


def test_an_ordinal_beyond_the_end_encodes_nothing_and_is_detectable():
    frames = encoder(numbered=True, after=1000)

    assert frames.encode(EVENTS[:3]) == b""
    assert frames.ordinal < 1000


def test_events_that_are_not_stored_have_no_id():
    frames = encoder(numbered=True)
    body = (
        frames.encode(EVENTS[:8]) + frames.encode(EVENTS[8:12], is_saved=False) + frames.encode(EVENTS[12:])
    )
    numbers = [event.id for event in events_of(body)]

    assert b'"}}]}\n\nid:\n\ndata: {' in body  # a frame without a number, within
    assert numbers[-1] == str(len(MEANT))


def test_the_first_event_that_is_not_stored_takes_the_position_to_resume_from_away():
    """Resuming after the last number would send it twice."""
    frames = encoder(numbered=True)
    saved = [True, True, False, False, True]
    bodies = [
        frames.encode([Text(f"<think>{number}" if not number else str(number))], is_saved=is_saved)
        for number, is_saved in enumerate(saved)
    ]

    assert [event.id for event in events_of(b"".join(bodies))] == ["1", "2", "", "", "5"]
    assert bodies[2].startswith(b"id:\n\ndata: ")
    assert b"id:" not in bodies[3]
    assert b"id:" not in encoder(numbered=True).encode(EVENTS, is_saved=False)


def test_the_ids_of_a_later_epoch_are_greater_and_known_apart():
    frames = encoder(numbered=True)
    epoch = Takeover(2, 9, "p").epoch
    first = frames.encode([Text("<think>a")]) + frames.encode([Text("b")])
    frames.begin_epoch(epoch)
    second = frames.encode([Text("c")])

    assert ids(first) + ids(second) == [1, 2, epoch + 3]
    assert [id for id in (1, 2, 3, epoch + 2, epoch + 3, epoch + 4) if frames.is_lost(id)] == [3]
    assert [id for id in (1, 2, 3, epoch + 2, epoch + 3, epoch + 4) if frames.is_ahead(id)] == [epoch + 4]
    other = Takeover(2, 9, "another process").epoch
    assert frames.is_lost(other + 3)


@pytest.mark.parametrize("name", ["error", ""])
def test_the_reason_of_a_failure_precedes_the_last_chunk_if_requested(name):
    body = encoder(error_event=name).encode([Text("a"), Finish("network_error", error="lost")])
    *_, error, finish, done = events_of(b"data: {}\n\n" + body)

    assert error.event == name
    assert json.loads(error.data) == {"error": {"code": "1234", "message": "lost", "type": "server_error"}}
    assert json.loads(finish.data)["choices"][0]["finish_reason"] == "network_error"
    assert done.data == DONE


def test_a_failure_before_the_first_event_keeps_its_code():
    body = encoder(error_event="").fail(LimitError("60 s in the queue", code="1303"))
    error, finish, done = events_of(b"data: {}\n\n" + body)[1:]

    reason = {"code": "1303", "message": "60 s in the queue", "type": "rate_limit_error"}
    assert json.loads(error.data) == {"error": reason}
    assert json.loads(finish.data)["choices"][0]["finish_reason"] == "network_error"
    assert done.data == DONE


def test_the_reason_of_a_failure_is_left_out_otherwise():
    assert b"lost" not in encoder().encode([Text("a"), Finish("network_error", error="lost")])


def texts_of(body):
    text = ""
    for event in events_of(body):
        if event.data != DONE:
            delta = json.loads(event.data)["choices"][0]["delta"]
            text += delta.get("reasoning_content", "") + delta.get("content", "")
            text += "".join(call["function"]["arguments"] for call in delta.get("tool_calls", ()))
    return text


def test_without_tool_stream_a_call_is_one_frame():
    interpreter = Interpreter(lambda: OutputParser(FORMATS["glm-4.6"], TOOLS, tool_stream=False))
    body = FrameEncoder(interpreter, ChunkEncoder("1", 1, "glm-4.6")).encode(EVENTS)

    ((call,),) = deltas(chunks_of(body), "tool_calls")
    assert call["id"].startswith("call_")
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"])


# --- encoders with a state ------------------------------------------------------------------------


class Numbering:
    """An encoder of two SSE events for each event: how many there were, and the text."""

    merges, end, error = False, b"", None

    def __init__(self):
        self.count = 0

    def skip(self, events):
        self.count += len(events)

    def encode_frame(self, event, *, is_first=False):
        self.count += 1
        before = encode_event(b"%d" % self.count)
        self.last_event_at = len(before)
        return before + encode_event(repr(event).encode())


@given(st.lists(st.integers(0, len(EVENTS))), st.integers(0, 60))
def test_an_encoder_receives_every_event_and_only_its_last_sse_event_has_the_id(cuts, after):
    def encode(after, cuts=()):
        interpreter = Interpreter(lambda: OutputParser(FORMATS["glm-4.6"], TOOLS, tool_stream=True))
        frames = FrameEncoder(interpreter, Numbering(), numbered=True, after=after)
        places = [0, *sorted(cuts), len(EVENTS)]
        return events_of(b"".join(frames.encode(EVENTS[start:end]) for start, end in pairwise(places)))

    complete = encode(0)
    assert [event.data for event in complete[::2]] == [b"%d" % n for n in range(1, len(complete) // 2 + 1)]
    numbers = [int(event.id or 0) for event in complete]
    assert numbers == [n for n in range(len(complete) // 2) for n in (n, n + 1)]  # a client keeps its last id
    rest = encode(after, cuts)
    assert [event.data for event in rest] == [event.data for event in complete[2 * after :]]
