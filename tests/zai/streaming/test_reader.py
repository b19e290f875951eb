"""Bytes → chunks and the meaning of the end, without any I/O."""

import httpx2
import pytest

from scripted_server import chunk, sse, stream
from zai.errors import (
    APIAuthenticationError,
    APIInternalError,
    APIReachLimitError,
    APIRequestFailedError,
    APIResponseError,
    APIResponseValidationError,
    APIServerFlowExceedError,
    APIStatusError,
    APIStreamTruncatedError,
)
from zai.streaming.reader import StreamReader

DONE = sse("[DONE]")
SOURCES = [{"type": "url_citation", "url": f"https://{name}"} for name in "ab"]
RESPONSE = httpx2.Response(200, request=httpx2.Request("POST", "http://server/v4/chat/completions"))


def cuts(data):
    """Yield the data in one, byte by byte, and in every split in two."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    yield from ([data[:at], data[at:]] for at in range(len(data) + 1))


def read(reader, parts):
    """Read like the streams do."""
    texts = []
    for data in parts:
        texts += [
            each.choices[0].delta.content for each in map(reader.take, reader.feed(data)) if each is not None
        ]
        if reader.is_over:
            break
    texts += [each.choices[0].delta.content for each in map(reader.take, reader.finish()) if each is not None]
    return texts


def joined(*frames):
    return b"".join(frames)


COMPLETE = {
    "as Z.ai sends it": joined(*stream("a", "b")),
    "no [DONE], but a finish_reason": joined(*stream("a", "b")[:-1]),
    "[DONE], but no finish_reason": joined(sse(chunk("a")), sse(chunk("b")), sse(chunk("")), DONE),
    "an unknown finish_reason": joined(*stream("a", "b", reason="other")),
    "[DONE] without its blank line": joined(*stream("a", "b"))[:-2],
    "the last chunk without its blank line": joined(*stream("a", "b")[:-1])[:-2],
    "comments": joined(b": hi\n\n", sse(chunk("a")), b": ping\n", *stream("b")),
    "event: ping without data": joined(sse(chunk("a")), b"event: ping\n\n", *stream("b")),
    "event: ping with data": joined(sse(chunk("a")), sse({}, event="ping"), *stream("b")),
    "event: ping with text": joined(sse(chunk("a")), sse("pong", event="ping"), *stream("b")),
    "retry without data": joined(sse(chunk("a")), b"retry: 500\n\n", *stream("b")),
    "an id alone": joined(sse(chunk("a")), b"id: 7\n\n", *stream("b")),
    "empty data": joined(sse(chunk("a")), b"data:\n\ndata: \n\n", *stream("b")),
    "chunks with an event's name": joined(
        *(sse(each, event="chunk") for each in (chunk("a"), chunk("b"))), *stream()
    ),
    "numbered": joined(*stream("a", "b", numbered=True)),
    "CRLF": joined(*stream("a", "b")).replace(b"\n", b"\r\n"),
    "no space after the colon": joined(*stream("a", "b")).replace(b"data: ", b"data:"),
    "a byte order mark": b"\xef\xbb\xbf" + joined(*stream("a", "b")),
    "unknown fields": joined(*(sse(chunk(text, x=1)) for text in "ab"), *stream()),
    "events that have the default name": joined(
        *(sse(each, event="message") for each in (chunk("a"), chunk("b"))), *stream()
    ),
    "no object, index or usage": joined(
        *(sse({"choices": [{"delta": {"content": text}}], "usage": None}) for text in "ab"), *stream()
    ),
}


@pytest.mark.parametrize("body", COMPLETE.values(), ids=COMPLETE.keys())
def test_every_split_gives_the_same_chunks_and_a_complete_stream(body):
    for parts in cuts(body):
        reader = StreamReader(RESPONSE)
        assert "".join(read(reader, parts)) == "ab", parts
        reader.check()
        assert reader.is_complete


def test_events_after_done_are_ignored():
    reader = StreamReader(RESPONSE)

    assert read(reader, [joined(*stream("a"), *stream("second answer"))]) == ["a", ""]
    assert reader.accumulator.usage is not None


TRUNCATED = {
    "within the answer": (joined(sse(chunk("a")), sse(chunk("b"))), "ab"),
    "within a frame": (joined(sse(chunk("a")), sse(chunk("b"))[:-9]), "a"),
    "before the first chunk": (b"", ""),
    "after a comment": (b": hi\n\n", ""),
    "with junk at the end": (joined(sse(chunk("a")), b"<html>"), "a"),
}


@pytest.mark.parametrize(("body", "text"), TRUNCATED.values(), ids=TRUNCATED.keys())
def test_an_end_without_done_and_a_finish_reason_is_a_truncation(body, text):
    for parts in cuts(body):
        reader = StreamReader(RESPONSE)
        assert "".join(read(reader, parts)) == text
        with pytest.raises(APIStreamTruncatedError) as caught:
            reader.check()
        assert caught.value.partial.choices[0].message.content == text


def error(code, message="too fast"):
    return {"error": {"code": code, "message": message}}


ERRORS = {
    "an event": lambda body: sse(body, event="error"),
    "an event with the bare error": lambda body: sse(body["error"], event="error"),
    "data": sse,
    "data of an event that has the default name": lambda body: sse(body, event="message"),
    "data that is the bare error": lambda body: sse(body["error"]),
    "data, then [DONE]": lambda body: sse(body) + DONE,
    "a bare line, then [DONE]": lambda body: sse(body)[6:] + DONE,
    "a bare line": lambda body: sse(body)[6:],
    "a bare line without its end": lambda body: sse(body)[6:-2],
    "an indented body": lambda body: sse(body)[6:-2].replace(b'{"', b'{\n  "'),
    "a chunk with an error in it": lambda body: sse(chunk("", finish_reason="error", **body)),
}


@pytest.mark.parametrize("before", [b"", sse(chunk("a"))], ids=["at first", "after a chunk"])
@pytest.mark.parametrize("frame", ERRORS.values(), ids=ERRORS.keys())
def test_an_error_in_any_form_is_raised_with_the_servers_message(frame, before):
    for parts in cuts(before + frame(error("1302"))):
        reader = StreamReader(RESPONSE)
        assert read(reader, parts) == ["a"] * bool(before)
        with pytest.raises(APIReachLimitError, match="too fast") as caught:
            reader.check()
        assert (caught.value.code, caught.value.status_code) == ("1302", 429)
        assert caught.value.json_data["message"] == "too fast"


def test_a_bare_error_is_raised_even_if_the_stream_continues():
    reader = StreamReader(RESPONSE)

    assert read(reader, [sse(chunk("a")) + sse(error("1302"))[6:], *stream()]) == ["a", ""]
    with pytest.raises(APIReachLimitError, match="too fast"):
        reader.check()


@pytest.mark.parametrize(
    ("code", "error_class", "status"),
    [
        ("1002", APIAuthenticationError, 401),
        ("1113", APIReachLimitError, 429),
        ("1214", APIRequestFailedError, 400),
        ("1220", APIStatusError, 403),
        ("1221", APIServerFlowExceedError, 503),
        ("1234", APIInternalError, 500),
        ("500", APIInternalError, 500),
        (429, APIReachLimitError, 429),
        (404, APIStatusError, 404),
        ("rate_limit_exceeded", APIReachLimitError, 429),
        ("something else", APIInternalError, 500),
        (None, APIInternalError, 500),
    ],
)
def test_the_class_is_that_of_the_codes_status(code, error_class, status):
    reader = StreamReader(RESPONSE)
    read(reader, [sse(error(code))])

    assert type(reader.error).__mro__[1] is error_class
    assert isinstance(reader.error, APIResponseError)
    assert reader.error.status_code == status


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "boom"}, "boom"),
        ({"error": {"type": "overloaded_error", "msg": "busy"}}, "busy"),
        ({"error": {"reason": 5}}, '{"reason":5}'),
        ({"error": ["x"]}, "['x']"),
    ],
)
def test_an_error_of_any_shape_has_a_message(body, message):
    reader = StreamReader(RESPONSE)
    read(reader, [sse(body)])

    assert message in str(reader.error)


def test_an_error_event_that_is_not_json_is_quoted():
    reader = StreamReader(RESPONSE)
    read(reader, [sse("out of memory", event="error")])

    assert "out of memory" in str(reader.error)


@pytest.mark.parametrize("data", ["not json", "[1]", '{"choices":["x"]}'])
def test_data_that_is_not_a_chunk_is_quoted_in_an_error(data):
    reader = StreamReader(RESPONSE)

    assert read(reader, [sse(chunk("a")), sse(data), *stream("b")]) == ["a"]
    with pytest.raises(APIResponseValidationError, match="invalid stream"):
        reader.check()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<!DOCTYPE html><html><title>Login</title></html>", "web page"),
        (b"Bad Gateway", "Bad Gateway"),
        (b'{"choices":[{"message":{"content":"whole"}}]}', "whole"),
        (b'{"status":"ok"}', "ok"),
    ],
)
def test_a_body_that_is_not_a_stream_is_quoted(body, message):
    for parts in cuts(body):
        reader = StreamReader(RESPONSE)
        read(reader, parts)
        with pytest.raises(APIResponseValidationError, match=message):
            reader.check()


def test_the_last_event_id_is_that_of_the_last_complete_event():
    body = joined(*stream("a", "b", numbered=True))
    for parts in cuts(body[: body.index(b"id: 2") + 20]):
        reader = StreamReader(RESPONSE)
        read(reader, parts)
        assert reader.last_event_id == "1"


def test_repeated_events_are_skipped_after_a_reconnect():
    frames = [sse(each, id=number) for number, each in enumerate([chunk("a"), chunk("b"), chunk("c")])]
    reader = StreamReader(RESPONSE)

    assert read(reader, frames[:2]) == ["a", "b"]
    reader.restart(RESPONSE)
    assert reader.last_event_id == "1"
    assert read(reader, [*frames, *stream()]) == ["c", ""]
    assert reader.partial.choices[0].message.content == "abc"
    reader.check()


def test_done_with_a_repeated_id_ends_the_stream_after_a_reconnect():
    reader = StreamReader(RESPONSE)
    read(reader, [sse(chunk("a"), id=4)])
    reader.restart(RESPONSE)

    assert read(reader, [sse(chunk("a"), id=4) + DONE]) == []
    assert reader.is_done


def test_a_cancelled_reader_ignores_events_and_has_no_error():
    reader = StreamReader(RESPONSE)
    events = reader.feed(joined(*(sse(chunk(text)) for text in "abc")))
    reader.take(events[0])
    reader.cancel()

    assert [reader.take(event) for event in events[1:]] == [None, None]
    reader.check()
    assert reader.is_over


def test_a_usage_chunk_without_choices_is_returned_and_counted():
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    reader = StreamReader(RESPONSE)
    frames = [sse(chunk("a", finish_reason="stop")), sse({"choices": [], "usage": usage}), DONE]
    taken = [each for data in frames for each in map(reader.take, reader.feed(data)) if each]

    assert taken[1].choices == []
    assert reader.accumulator.usage.total_tokens == 3


def test_the_sources_of_an_answer_are_kept():
    reader = StreamReader(RESPONSE)
    for delta in ({"content": "Hi"}, {"annotations": SOURCES[:1]}, {"content": "", "annotations": SOURCES}):
        choice = {"index": 0, "delta": delta}
        read(reader, [sse({"choices": [choice], "citations": ["https://a"], "search_results": []})])
    message = reader.partial.choices[0].message

    assert (message.content, message.annotations) == ("Hi", SOURCES)
    assert reader.partial.model_extra == {"citations": ["https://a"]}


def test_an_answer_without_sources_has_no_field_for_them():
    reader = StreamReader(RESPONSE)
    read(reader, [sse({"choices": [{"index": 0, "delta": {"content": "Hi"}}], "other": 1})])

    assert reader.partial.model_extra == reader.partial.choices[0].message.model_extra == {}
