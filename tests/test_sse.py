"""Server-Sent Events against the rules of the standard, with every boundary between reads."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import DecodeError
from headrace.sse import SseDecoder, SseEvent, encode_comment, encode_event, separate

BOM = b"\xef\xbb\xbf"


def decode(*fragments):
    decoder = SseDecoder()
    return [event for fragment in fragments for event in decoder.feed(fragment)] + decoder.finish()


def cuts(data):
    """Whole, byte by byte, and in every cut in two."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    yield from ([data[:at], data[at:]] for at in range(len(data) + 1))


CASES = json.loads((Path(__file__).parent / "traces/sse.json").read_text())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_cut_gives_the_same_events(case):
    expected = [SseEvent(event["data"].encode(), event["event"], event["id"]) for event in case["events"]]

    for fragments in cuts(case["stream"].encode()):
        assert decode(*fragments) == expected, fragments


def test_the_id_of_a_truncated_event_does_not_count():
    data = b"id: 1\ndata: a\n\nid: 2\ndata: b\n"

    for fragments in cuts(data):
        decoder = SseDecoder()
        for fragment in fragments:
            decoder.feed(fragment)
        decoder.finish()
        assert decoder.last_event_id == "1"


@pytest.mark.parametrize("end", [b"", b"data: a\n", b"x\n"])
def test_a_retry_that_may_be_cut_off_does_not_count(end):
    for fragments in cuts(b"data: a\n\n" + end + b"retry: 42"):
        decoder = SseDecoder()
        for fragment in fragments:
            decoder.feed(fragment)
        decoder.finish()
        assert decoder.retry_ms is None


@pytest.mark.parametrize(
    "line", [b"retry: 42\n", b"retry: 42\r\n", b"retry: 0000000042\n\n", b"retry:42\ndata: a"]
)
def test_a_retry_counts_at_the_end_of_its_line(line):
    for fragments in cuts(line):
        decoder = SseDecoder()
        for fragment in fragments:
            decoder.feed(fragment)
        decoder.finish()
        assert decoder.retry_ms == 42


def test_retry_accepts_digits_only():
    decoder = SseDecoder()
    for text in (b"x", b"-5", b"1_000", b"", b"9" * 5000, "１".encode()):
        decoder.feed(b"retry: " + text + b"\n\n")
        assert decoder.retry_ms is None
    decoder.feed(b"retry: 1500\n\n")
    assert decoder.retry_ms == 1500


def test_invalid_utf_8_does_not_stop_the_stream():
    for fragments in cuts(b"data: a\xffb\n\nid: \xff\nevent: \xfe\ndata: c\n\n"):
        assert decode(*fragments) == [SseEvent(b"a\xffb"), SseEvent(b"c", "\ufffd", "\ufffd")]


def test_a_truncated_event_is_available_as_unfinished():
    for fragments in cuts(b"id: 7\ndata: a\n\nevent: x\nid: 8\ndata: b"):
        decoder = SseDecoder()
        for fragment in fragments:
            decoder.feed(fragment)
        assert decoder.finish() == []
        assert decoder.unfinished == SseEvent(b"b", "x", "8")


def test_lines_that_are_not_sse_are_kept():
    body = b'{\n  "error": {\n    "code": "1302"\n  }\n}'

    for fragments in cuts(body):
        decoder = SseDecoder()
        for fragment in fragments:
            decoder.feed(fragment)
        decoder.finish()
        assert decoder.unparsed == body


def test_unparsed_lines_are_bounded():
    decoder = SseDecoder()
    for _ in range(1000):
        decoder.feed(b"<p>" + b"x" * 1000 + b"\n\n")
    assert len(decoder.unparsed) < 70_000


@pytest.mark.parametrize(
    "data",
    [b"data: " + b"x" * 100, b": " + b"x" * 100, b"data: x\n" * 20, b"x" * 101, b"event: " + b"x" * 100],
)
def test_an_event_beyond_the_limit_raises_in_every_cut(data):
    for fragments in cuts(data + b"\n\n"):
        decoder = SseDecoder(max_event_bytes=100)
        with pytest.raises(DecodeError, match="longer than 100 bytes"):
            for fragment in fragments:
                decoder.feed(fragment)


def test_many_events_together_may_exceed_the_limit():
    decoder = SseDecoder(max_event_bytes=20)
    assert len(decoder.feed(b"data: 0123456789\n\n" * 10)) == 10


def test_a_long_event_is_buffered_in_fragments_so_that_each_byte_is_copied_once():
    decoder = SseDecoder()
    fragments = [b"data: ", *[b"x" * 10] * 5_000]
    for count, fragment in enumerate(fragments, 1):
        assert decoder.feed(fragment) == []
        assert len(decoder._rest) == count
    assert decoder.feed(b"\n") == []
    (event,) = decoder.feed(b"\n")
    assert len(event.data) == 50_000


line = st.one_of(
    st.sampled_from([b"data: a", b"data:", b"data", b'data: {"x": 1}', b"id: 1", b"id: 2", b"id", b": ping"]),
    st.sampled_from([b"event: e", b"retry: 10", b"foo", b"", b"", b"", b"data: \xe4\xb8\xad", b"data: \xff"]),
)
line_end = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r"])


def reference(data):
    """The algorithm of the standard, line by line over all bytes."""
    text = data.removeprefix(BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    *lines, _ = text.split(b"\n")
    events, fields, kind, last_id = [], [], "", ""
    for each in lines:
        name, _, value = each.partition(b":")
        value = value.removeprefix(b" ")
        if not each:
            if fields:
                events.append(SseEvent(b"\n".join(fields), kind, last_id))
            fields, kind = [], ""
        elif name == b"data":
            fields.append(value)
        elif name == b"event":
            kind = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            last_id = value.decode("utf-8", "replace")
    return events


@given(st.booleans(), st.lists(st.tuples(line, line_end)), st.lists(st.integers(0, 200), max_size=6))
def test_any_stream_in_any_cut_is_decoded_as_by_the_standard(bom, lines, places):
    data = BOM * bom + b"".join(text + end for text, end in lines)
    places = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    fragments = [data[start:end] for start, end in pairwise(places)]

    assert decode(*fragments) == reference(data)


@given(st.lists(st.binary().filter(lambda data: b"\n" not in data and b"\r" not in data)), st.integers(0, 9))
def test_decoding_inverts_encoding(texts, first):
    frames = b"".join(
        encode_event(data, id=number, event="e" if number % 2 else "")
        for number, data in enumerate(texts, first)
    )

    assert decode(frames) == [
        SseEvent(data, "e" if number % 2 else "", str(number)) for number, data in enumerate(texts, first)
    ]


def test_a_keep_alive_has_one_line_end_and_is_not_an_event():
    comment = encode_comment("ping")

    assert comment == b": ping\n"
    assert decode(b"id: 1\ndata: a\n\n" + comment * 3 + b"data: b\n\n") == [
        SseEvent(b"a", "", "1"),
        SseEvent(b"b", "", "1"),
    ]


def test_lines_that_are_json_of_their_own_are_events_of_their_own():
    """Some servers leave out the blank lines; JSON that is spread over lines is still one event."""
    lines = separate(SseEvent(b'{"a":1}\n{"b":2}\n[DONE]'))

    assert [event.data for event in lines] == [b'{"a":1}', b'{"b":2}', b"[DONE]"]
    assert separate(SseEvent(b'{"a":\n1}')) == [SseEvent(b'{"a":\n1}')]


def test_an_error_line_is_kept_without_its_name():
    decoder = SseDecoder()
    decoder.feed(b'error: {"message":"out of memory"}\n\n')

    assert decoder.unparsed == b'{"message":"out of memory"}'
