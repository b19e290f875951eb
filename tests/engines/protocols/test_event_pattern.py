"""Events that fit a pattern are read the same as by decoding each of them."""

import json
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects import ask, protocol
from headrace.engines.protocols.error_mapping import Upstream
from headrace.engines.protocols.event_pattern import EventPattern
from headrace.engines.transport import ResponseHead
from headrace.engines.upstream import UpstreamEngine
from headrace.errors import DecodeError
from headrace.events import Content, Finish, Reasoning
from headrace.sse import DONE, encode_event

# --- through the reader of a response -------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(
    [
        "\n",
        "\n\n",
        "\ufffd",
        "a\ufffd",
        '"',
        "\\",
        "id",
        "x",
        "choices",
        "content",
        "<think>",
        "</think>",
        "你好",
    ]
)
KINDS = st.sampled_from(["content", "reasoning_content", "reasoning", "arguments"])
EXTRA = st.sampled_from(
    [{}, {"role": "assistant"}, {"content": ""}, {"content": "x"}, {"reasoning": None}, {"x": "\n"}]
)
REASONS = st.sampled_from([None, None, None, "stop"])
CHUNKS = st.tuples(KINDS, TEXTS, EXTRA, st.sampled_from(["a", "b"]), st.booleans(), REASONS)


def encode(kind, text, extra=None, id="1", *more):
    ascii_only, finish_reason = more or (False, None)
    delta = {**(extra or {}), kind: text}
    if kind == "arguments":
        name = {"name": "f"} if extra else {}
        delta = {"tool_calls": [{"index": 0, "function": {**name, "arguments": text}}]}
    body = {"id": id, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
    return json.dumps(body, ensure_ascii=ascii_only).encode()


def encode_completion(kind, text, extra=None, id="1", *more):
    ascii_only, finish_reason = more or (False, None)
    tokens = {"content": None, "reasoning_content": [1], "reasoning": [1, 2], "arguments": []}[kind]
    choice = {"index": 0, "text": text, "finish_reason": finish_reason, "token_ids": tokens, **(extra or {})}
    return json.dumps({"id": id, "choices": [choice]}, ensure_ascii=ascii_only).encode()


ENCODERS = {"chat": encode, "completions": encode_completion}


class Response:
    """A transport whose only response is what it is fed, and the listener of the run."""

    def __init__(self, kind):
        self.upstream = Upstream("http://gpu1/v1", "", "", "gpu1")
        self.read, self.error = [], None
        engine = UpstreamEngine(self, protocol(kind))
        self.run = engine.start(ask(), self)
        self.listener.on_head(ResponseHead(200, "text/event-stream"))

    def post(self, path, body, listener, headers=()):
        self.listener = listener
        return Mock(stop=lambda: listener.on_end(None))

    def on_events(self, events):
        self.read += events

    def on_end(self, error):
        self.error = error

    def feed(self, *pieces):
        """The events of each piece, until the run ends."""
        found = []
        for piece in pieces:
            count = len(self.read)
            self.listener.on_body(piece)
            found.append(self.read[count:])
            if self.error:
                break
        return found


def response_to(kind, pieces):
    """What comes of a response that arrives in these pieces."""
    response = Response(kind)
    events = response.feed(*pieces)
    if not response.error:
        events += response.feed(encode_event(DONE))
        response.listener.on_end(None)
    return events, str(response.error)


@pytest.mark.parametrize("kind", ENCODERS)
@given(data=st.data())
async def test_a_response_is_read_the_same_with_and_without_patterns(kind, data):
    repeated = st.tuples(CHUNKS, st.lists(TEXTS, max_size=4)).map(
        lambda found: [found[0], *((found[0][0], text, *found[0][2:]) for text in found[1])]
    )
    chunks = [chunk for run in data.draw(st.lists(repeated, max_size=4)) for chunk in run]
    before = st.sampled_from([b"", b"", b"", b"", b": ping\n", b"event: error\n", b"\n", b"id: 1\n", b"\r\n"])
    pieces = [data.draw(before) + encode_event(ENCODERS[kind](*chunk)) for chunk in chunks]
    if data.draw(st.booleans()) and pieces:
        at = data.draw(st.integers(0, len(pieces) - 1))
        cut = data.draw(st.integers(1, len(pieces[at]) - 1))
        pieces[at : at + 1] = [pieces[at][:cut], pieces[at][cut:]]
    for at in sorted(data.draw(st.sets(st.integers(1, 16))), reverse=True):
        pieces[at - 1 : at + 1] = (
            [b"".join(pieces[at - 1 : at + 1])] if at < len(pieces) else pieces[at - 1 :]
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EventPattern, "learn", lambda *_: None)
        expected = response_to(kind, pieces)

    assert response_to(kind, pieces) == expected


@pytest.mark.interpreted
@pytest.mark.parametrize("kind", ENCODERS)
async def test_only_the_text_is_decoded_of_the_third_event_in_a_row(kind, monkeypatch):
    response = Response(kind)
    response.feed(*(encode_event(ENCODERS[kind]("content", text)) for text in ("a", "b")))
    monkeypatch.setattr(response.listener._reader, "feed", None)

    assert [
        [event.text for event in events]
        for events in response.feed(encode_event(ENCODERS[kind]("content", "c")))
    ] == [["c"]]


@pytest.mark.parametrize("kind", ENCODERS)
async def test_invalid_utf8_is_an_error_in_an_event_that_fits(kind):
    response = Response(kind)
    events = [encode_event(ENCODERS[kind]("content", text)) for text in ("a", "b", "c")]
    response.feed(*events, events[-1].replace(b'"c"', b'"\xff"'))

    assert isinstance(response.error, DecodeError)


async def test_what_servers_write_for_invalid_utf8_is_no_text():
    response = Response("chat")
    texts = ("a", "b", "c", "\ufffd", "\ufffdd")
    events = response.feed(
        encode_event(encode("reasoning_content", "a")),
        *(encode_event(encode("content", text)) for text in texts),
    )

    assert events[3:] == [[Content("c")], [], [Content("d")]]


async def test_output_after_a_finish_reason_continues_the_answer():
    response = Response("chat")
    chunks = [
        encode("content", "a"),
        encode("content", "b"),
        encode("content", "c", {}, "1", False, "stop"),
        *[encode("content", "d")] * 3,
    ]
    response.feed(*map(encode_event, chunks))

    assert not response.listener._reader.ending.is_last
    assert response.listener._grace is None


async def test_tokens_of_events_that_fit_are_counted():
    response = Response("chat")
    response.feed(*(encode_event(encode("reasoning_content", "a")) for _ in range(5)))
    response.feed(*(encode_event(encode("content", "a")) for _ in range(4)))
    response.feed(encode_event(encode("content", "a", {}, "1", False, "stop")), encode_event(DONE))

    assert response.read[0] == Reasoning("a")
    assert isinstance(response.read[-1], Finish)
    assert (response.read[-1].usage.completion, response.read[-1].usage.reasoning) == (10, 5)


# --- the pattern ----------------------------------------------------------------------------------


def decode(data):
    return json.loads(data)["text"]


def pattern_of(*chunks):
    pattern = EventPattern()
    for chunk in chunks:
        pattern.learn(chunk, decode)
    return pattern


def test_a_text_that_is_also_elsewhere_is_not_taken_for_it():
    pattern = pattern_of(*[b'{"id":"1","text":"1"}'] * 3)

    assert pattern.texts_of(encode_event(b'{"id":"2","text":"1"}')) == []


@pytest.mark.parametrize(
    "data",
    [
        b'{"text":"a","text":"b","n":1}',
        b'{"text":"a","n":2,"n":1}',
        b'{"text":,"n":1}',
        b'{"text":"a"',
        b'{"text":1,"n":1}',
        b'{"text":"a\xff","n":1}',
        b'{"text":"\\ud800","n":1}',
        b'{"text":"a\n","n":1}',
        b'{"text":"a","n":1}\n\ndata: {"text":"","n":1}',
        b'{"text":"a","n":1}\n\ndata: {"text":1,"n":1}',
        b'{"text":"a","n":1}\n\n: ping\n\ndata: {"text":"b","n":1}',
        b'{"text":"a\n\ndata: b","n":1}',
        b"",
    ],
)
def test_only_one_string_may_be_in_the_place_of_the_text(data):
    pattern = pattern_of(b'{"text":"a","n":1}', b'{"text":"b","n":1}')

    assert pattern.texts_of(encode_event(b'{"text":"c","n":1}')) == ["c"]
    assert pattern.texts_of(encode_event(data)) == []
    assert pattern.texts_of(b'{"text":"c","n":1}') == []


def test_several_events_that_fit_are_one_read():
    pattern = pattern_of(b'{"text":"a"}', b'{"text":"b"}')
    events = b"".join(encode_event(b'{"text":"%b"}' % text) for text in (b"c", b"\\n", b'\\"}\\n\\n'))

    assert pattern.texts_of(events) == ["c", "\n", '"}\n\n']


def test_what_does_not_fit_ends_the_pattern():
    pattern = pattern_of(b'{"text":"a"}', b'{"text":"b"}')
    pattern.learn(b"", decode)

    assert pattern.texts_of(encode_event(b'{"text":"c"}')) == []


@pytest.mark.interpreted
async def test_learning_is_given_up_if_events_have_nothing_in_common(monkeypatch):
    response, tried = Response("chat"), []
    text_in = response.listener._reader.text_in
    monkeypatch.setattr(
        response.listener._reader, "text_in", lambda data: tried.append(data) or text_in(data)
    )
    response.feed(*(encode_event(encode("content", "a", {}, str(number))) for number in range(1000)))

    assert response.read == [Content("a")] * 1000
    assert 10 < len(tried) < 100
