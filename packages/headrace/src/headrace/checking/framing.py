"""Rules about HTTP, SSE and the times at which a stream arrives."""

import re
from collections import Counter
from typing import Final

from headrace.checking.answer import Answer
from headrace.checking.rule import Finding, Rule, UnobservedError, each, require_success
from headrace.checking.variants import STREAMS
from headrace.sse import DONE

__all__ = ["FIRST_DELTA_SECONDS", "RULES", "find_collected"]

FIRST_DELTA_SECONDS: Final = 5.0
_MIN_DELTAS: Final = 8  # fewer do not show whether they were collected
_MIN_SPREAD: Final = 0.05  # of the time from the request to the end
_BURST_DELTAS: Final = 8
_BURST_SECONDS: Final = 0.05
_LONE_COMMENT: Final = re.compile(rb"(?:\A|\n\n)(?::[^\n]*\n)+\n")

_LINE_END: Final = re.compile(rb"\r\n|\r")
_OTHER_LINE_ENDS: Final = re.compile("[\v\f\x1c\x1d\x1e\x85\u2028\u2029]")  # of `str.splitlines`

_SSE: Final = "https://html.spec.whatwg.org/multipage/server-sent-events.html"
_OPENAI_STREAM: Final = "https://platform.openai.com/docs/api-reference/chat-streaming"


def _status(answer: Answer) -> Finding | None:
    status = answer.response.status
    if status == 200:
        return None
    return Finding(f"status {status}" if status else answer.failure, answer.body)


def _content_type(answer: Answer) -> Finding | None:
    require_success(answer)
    kind = answer.response.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() == "text/event-stream":
        return None
    return Finding(f"the Content-Type is {kind!r}", answer.body[:200])


def _end(answer: Answer) -> Finding | None:
    require_success(answer)
    last = answer.pieces[-1][1] if answer.pieces else b""
    return Finding(answer.failure, last[-200:]) if answer.failure else None


def _fields(answer: Answer) -> Finding | None:
    require_success(answer)
    lines = answer.sse.unparsed
    return Finding("lines that are no fields of SSE", lines[:200]) if lines else None


def _blank_lines(answer: Answer) -> Finding | None:
    require_success(answer)
    if answer.sse.unfinished:
        return Finding(
            "the last event has no blank line, so that clients drop it", answer.sse.unfinished.data
        )
    for frame in answer.frames:
        if b"\n" in frame.data:
            return Finding(
                "an event has several data lines: the blank line between events is missing", frame.data
            )
    return None


def _comments(answer: Answer) -> Finding | None:
    require_success(answer)
    body = answer.body.replace(b"\r\n", b"\n")
    if not re.search(rb"^:", body, re.MULTILINE):
        raise UnobservedError("no comment was received")
    lone = _LONE_COMMENT.search(body)
    if lone and re.search(rb"^id:", body, re.MULTILINE):
        return Finding("a comment with a blank line of its own, in a stream with ids", lone[0])
    return None


def _data(answer: Answer) -> Finding | None:
    require_success(answer)
    for block in re.split(rb"\n\n", _LINE_END.sub(b"\n", answer.body)):
        lines = [line for line in block.split(b"\n") if line and not line.startswith(b":")]
        if lines and not any(line.startswith(b"data") for line in lines):
            return Finding(f"an event has no data, only {lines[0]!r}", block)
    return None


def _line_ends(answer: Answer) -> Finding | None:
    require_success(answer)
    for frame in answer.frames:
        text = frame.data.decode("utf-8", "replace")
        if found := _OTHER_LINE_ENDS.search(text):
            return Finding(f"an event contains U+{ord(found[0]):04X} as it is", frame.data)
    return None


def _ids(answer: Answer) -> Finding | None:
    require_success(answer)
    ids = re.findall(rb"^id: ?(.*)$", _LINE_END.sub(b"\n", answer.body), re.MULTILINE)
    if not ids:
        raise UnobservedError("the events have no ids")
    repeated = [id for id, count in Counter(ids).items() if count > 1]
    return Finding(f"two events have the id {repeated[0]!r}", repeated[0]) if repeated else None


def _json(answer: Answer) -> Finding | None:
    require_success(answer)
    for frame in answer.frames:
        if frame.data != DONE and not isinstance(frame.value, dict):
            return Finding("an event is not a JSON object", frame.data)
    return None


def _no_error(answer: Answer) -> Finding | None:
    require_success(answer)
    for frame in answer.frames:
        if isinstance(frame.value, dict) and "error" in frame.value:
            return Finding("a stream with status 200 contains an error", frame.data)
    return None


def _done(answer: Answer) -> Finding | None:
    require_success(answer)
    places = [place for place, frame in enumerate(answer.frames) if frame.data == DONE]
    if not answer.frames or not places:
        return Finding("the stream has no [DONE]", answer.frames[-1].data if answer.frames else b"")
    if places != [len(answer.frames) - 1]:
        return Finding("[DONE] is not the last event", answer.frames[places[0] + 1].data)
    return None


def _first_delta(answer: Answer) -> Finding | None:
    require_success(answer)
    if not answer.deltas:
        raise UnobservedError("the answer is empty")
    first = answer.deltas[0]
    if first.at <= FIRST_DELTA_SECONDS:
        return None
    return Finding(f"the first delta came after {first.at:.1f} seconds", first.data)


def find_collected(answer: Answer) -> Finding | None:
    """Return a finding if the deltas came all at once."""
    require_success(answer)
    deltas = answer.deltas
    if len(deltas) < _MIN_DELTAS:
        raise UnobservedError(f"the answer has only {len(deltas)} deltas")
    spread = deltas[-1].at - deltas[0].at
    if spread >= _MIN_SPREAD * answer.response.seconds:
        return None
    what = f"{len(deltas)} deltas came within {spread:.3f} of {answer.response.seconds:.3f} seconds"
    return Finding(what, deltas[0].data)


def _bursts(answer: Answer) -> Finding | None:
    require_success(answer)
    deltas = answer.deltas
    times = sorted({frame.at for frame in deltas})
    if len(deltas) < _MIN_DELTAS or len(times) < 2:
        raise UnobservedError(f"the answer has {len(deltas)} deltas, which arrived at {len(times)} times")
    share, gap = len(deltas) / len(times), (times[-1] - times[0]) / (len(times) - 1)
    if share < _BURST_DELTAS or gap < _BURST_SECONDS:
        return None
    return Finding(f"{share:.0f} deltas arrive at once, every {gap:.2f} seconds", deltas[0].data)


def _incremental_gzip(answer: Answer) -> Finding | None:
    require_success(answer)
    if answer.response.headers.get("content-encoding", "").lower() != "gzip":
        raise UnobservedError("the response is not compressed")
    return find_collected(answer)


RULES: Final = (
    Rule(
        "http.status",
        "A valid request gets status 200.",
        "Every program fails.",
        _OPENAI_STREAM,
        each("plain", "whole"),
        _status,
    ),
    Rule(
        "http.content-type",
        "A stream has the Content-Type text/event-stream.",
        "Clients read the stream as one JSON body; proxies collect or compress it.",
        _SSE,
        each(*STREAMS),
        _content_type,
    ),
    Rule(
        "http.end",
        "The response ends as its framing announces, within the time limit.",
        "A client cannot distinguish a complete answer from a lost connection.",
        "RFC 9112, section 8",
        each(*STREAMS, "whole"),
        _end,
    ),
    Rule(
        "sse.fields",
        "Every line of a stream is a field of SSE or a comment.",
        "Clients skip the line, and what it contained is lost.",
        _SSE,
        each(*STREAMS),
        _fields,
    ),
    Rule(
        "sse.blank-lines",
        "A blank line ends every event, the last one too.",
        "Clients join two events, which is no JSON, and drop an event without its end.",
        _SSE,
        each(*STREAMS),
        _blank_lines,
    ),
    Rule(
        "sse.comments",
        "In a stream with ids, a comment is not a block of its own.",
        "PyPI's openai dispatches an empty event and fails to decode it.",
        "https://github.com/openai/openai-python/issues/2722",
        each(*STREAMS),
        _comments,
    ),
    Rule(
        "sse.data",
        "Every event has data; silence is filled by comments.",
        "PyPI's zai-sdk and openai fail to decode an event of `retry:`, `id:` or `event:` alone.",
        _SSE,
        each(*STREAMS),
        _data,
    ),
    Rule(
        "sse.line-ends",
        "U+0085, U+2028, U+2029 and the like are escaped in JSON.",
        "PyPI's zai-sdk splits lines at them, and fails to decode both halves.",
        "https://docs.python.org/3/library/stdtypes.html#str.splitlines",
        each(*STREAMS),
        _line_ends,
    ),
    Rule(
        "sse.ids",
        "Events that have an id have different ones.",
        "A client that resumes after the id gets some events twice, or loses them.",
        _SSE,
        each(*STREAMS, "replayed"),
        _ids,
    ),
    Rule(
        "sse.json",
        "The data of every event is a JSON object or [DONE].",
        "SDKs raise a decoding error in the middle of the answer.",
        _OPENAI_STREAM,
        each(*STREAMS),
        _json,
    ),
    Rule(
        "sse.no-error",
        "A valid request gets no error within its stream.",
        "Programs that look at the status alone count it as a success.",
        "https://github.com/vllm-project/vllm/issues/57519",
        each(*STREAMS),
        _no_error,
    ),
    Rule(
        "sse.done",
        "A stream ends with exactly one [DONE].",
        "Clients wait for it until their timeout, or miss what follows it.",
        _OPENAI_STREAM,
        each(*STREAMS),
        _done,
    ),
    Rule(
        "time.first-delta",
        f"The first delta arrives within {FIRST_DELTA_SECONDS:g} seconds.",
        "Readers believe that nothing happens, and clients with short timeouts retry.",
        "https://github.com/scouzi1966/maclocal-api/issues/257",
        each("plain", "long"),
        _first_delta,
    ),
    Rule(
        "time.incremental",
        "Deltas arrive while the answer is generated, not all at its end.",
        "Nothing is gained by streaming: the server, or a proxy in front of it, collects the response.",
        "https://github.com/cloudflare/cloudflared/issues/1449",
        each("long"),
        find_collected,
    ),
    Rule(
        "time.bursts",
        f"Deltas do not arrive in bursts of {_BURST_DELTAS} or more.",
        "The text stands still and jumps: something on the way waits until a buffer is full.",
        "https://github.com/cloudflare/cloudflared/issues/1449",
        each("long"),
        _bursts,
    ),
    Rule(
        "time.incremental-gzip",
        "Deltas of a compressed response arrive while the answer is generated.",
        "Compression collects the response until its buffer is full; browsers always ask for it.",
        "https://github.com/cloudflare/cloudflared/issues/1449",
        each("long with gzip"),
        _incremental_gzip,
    ),
)
