"""Rules about the events of the Messages API.

message_start (content_block_start content_block_delta … content_block_stop) … message_delta message_stop
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from headrace.checking.answer import Answer, Frame
from headrace.checking.messages.api import MESSAGES, STOP_REASONS
from headrace.checking.rule import (
    Finding,
    Rule,
    UnobservedError,
    each,
    find_misnamed,
    require_error,
    require_success,
)
from headrace.checking.variants import STREAMS

__all__ = ["DERIVED", "RULES"]

_LETTERS: Final = {
    "message_start": "S",
    "content_block_start": "(",
    "content_block_delta": "d",
    "content_block_stop": ")",
    "message_delta": "M",
    "message_stop": "E",
}
_TYPES: Final = tuple(_LETTERS)  # in which a value of any type can be looked up
_ORDER: Final = re.compile(r"(?:S[(d)]*(?:M+E?)?)?")
_ONE_BLOCK: Final = re.compile(r"(?:[SME]|\(d*\))*(?:\(d*)?")
_DELTAS: Final = {
    "text": ("text_delta", "citations_delta"),
    "thinking": ("thinking_delta", "signature_delta"),
    "tool_use": ("input_json_delta",),
}

DERIVED: Final = {
    "http.status": "",
    "http.content-type": "",
    "http.end": "",
    "sse.fields": "",
    "sse.blank-lines": "",
    "sse.data": "",
    "sse.line-ends": "",
    "sse.json": "The data of every event is a JSON object.",
    "sse.no-error": "",
    "time.first-delta": "",
    "time.incremental": "",
    "finish.length": "An answer that reaches `max_tokens` has the stop reason `max_tokens`.",
    "usage.limit": "",
    "call.id": "Every call has an id of its own.",
    "call.arguments-json": "",
    "call.arguments-schema": "",
    "call.finish-reason": "An answer with calls has the stop reason `tool_use`.",
    "call.none": "",
    "text.markup": "",
    "text.replacement": "",
    "thinking.enabled": "With thinking enabled, thoughts are in a block of type `thinking`.",
    "thinking.disabled": "With thinking disabled, there is no block of type `thinking`.",
    "stop.string": "",
    "json.schema": "With `output_config.format`, the text obeys the schema.",
    "history.tool-result": "A result in the history is accepted.",
    "whole.equal": "",
    "seed.equal": "The same request at temperature 0 has the same answer.",
    "resume.rest": "",
    "error.unknown-model": "",
    "error.wrong-key": "",
}
"""The rules of chat completions that apply to this API, with the sentences that differ."""


def _events(answer: Answer) -> list[Frame]:
    """Return the events that belong to the message."""
    require_success(answer)
    events = [f for f in answer.frames if isinstance(f.value, dict) and f.value.get("type") in _TYPES]
    if not events:
        raise UnobservedError("the stream has no events of a message")
    return events


def _of_type(answer: Answer, kind: str) -> list[Frame]:
    frames = [frame for frame in _events(answer) if frame.value["type"] == kind]
    if not frames:
        raise UnobservedError(f"the stream has no {kind}")
    return frames


def _object(frame: Frame, name: str) -> dict[str, Any]:
    value = frame.value.get(name)
    return value if isinstance(value, dict) else {}


def _follows(order: re.Pattern[str], answer: Answer) -> Finding | None:
    events = _events(answer)
    letters = "".join(_LETTERS[frame.value["type"]] for frame in events)
    found = order.match(letters)
    end = found.end() if found else 0
    if end < len(events):
        frame = events[end]
        return Finding(f"`{frame.value['type']}` is out of order", frame.data)
    return None


def _end(answer: Answer) -> Finding | None:
    last = _events(answer)[-1]
    return (
        None
        if last.value["type"] == "message_stop"
        else Finding("the stream has no `message_stop`", last.data)
    )


def _blocks(answer: Answer) -> Iterator[tuple[str, list[Frame]]]:
    """Yield the type and the events of each block that has begun."""
    frames: list[Frame] = []
    kind = ""
    for frame in _events(answer):
        if frame.value["type"] == "content_block_start":
            if frames:
                yield kind, frames
            frames, kind = [], str(_object(frame, "content_block").get("type"))
        if frame.value["type"].startswith("content_block"):
            frames.append(frame)
    if not frames:
        raise UnobservedError("the stream has no blocks")
    yield kind, frames


def _index(answer: Answer) -> Finding | None:
    for expected, (_, frames) in enumerate(_blocks(answer)):
        for frame in frames:
            index = frame.value.get("index")
            if type(index) is not int or index != expected:
                return Finding(f"an event of block {expected} has the index {index!r}", frame.data)
    return None


def _delta_types(answer: Answer) -> Finding | None:
    for kind, frames in _blocks(answer):
        for frame in frames:
            delta = _object(frame, "delta").get("type")
            if frame.value["type"] == "content_block_delta" and delta not in _DELTAS.get(kind, (delta,)):
                return Finding(f"a block of type `{kind}` has a `{delta}`", frame.data)
    return None


def _signature(answer: Answer) -> Finding | None:
    thinking = [frames for kind, frames in _blocks(answer) if kind == "thinking"]
    if not thinking:
        raise UnobservedError("the answer has no thinking")
    for frames in thinking:
        kinds = [_object(frame, "delta").get("type") for frame in frames]
        if kinds.count("signature_delta") != 1 or kinds[-2:-1] != ["signature_delta"]:
            return Finding("a block of thinking does not end with its signature", frames[-1].data)
    return None


def _tool_use(answer: Answer) -> Finding | None:
    starts = [frames[0] for kind, frames in _blocks(answer) if kind == "tool_use"]
    if not starts:
        raise UnobservedError("the model called no tool")
    for frame in starts:
        block = _object(frame, "content_block")
        if block.get("input") != {} or not block.get("name"):
            return Finding("a call does not begin with its name and the input {}", frame.data)
    return None


def _start(answer: Answer) -> Finding | None:
    frame = _of_type(answer, "message_start")[0]
    message = _object(frame, "message")
    expected: dict[str, Any] = {"type": "message", "role": "assistant", "content": [], "stop_reason": None}
    for name, value in expected.items():
        if message.get(name, ...) != value:
            return Finding(f"`message.{name}` is {message.get(name)!r} instead of {value!r}", frame.data)
    missing = [
        name for name in ("id", "model") if not isinstance(message.get(name), str) or not message[name]
    ]
    return Finding(f"`message.{missing[0]}` is missing", frame.data) if missing else None


def _stop_reason(answer: Answer) -> Finding | None:
    frame = _of_type(answer, "message_delta")[-1]
    reason = _object(frame, "delta").get("stop_reason")
    return None if reason in tuple(STOP_REASONS) else Finding(f"the stop reason is {reason!r}", frame.data)


def _usage(answer: Answer) -> Finding | None:
    start, last = _of_type(answer, "message_start")[0], _of_type(answer, "message_delta")[-1]
    first = start.value.get("message")
    begun = first.get("usage") if isinstance(first, dict) else None
    if not isinstance(begun, dict) or not _is_count(begun.get("input_tokens")):
        return Finding("`message_start` has no count of input tokens", start.data)
    counts = {**begun, **_object(last, "usage")}
    wrong = [name for name in ("input_tokens", "output_tokens") if not _is_count(counts.get(name))]
    if wrong or not _object(last, "usage").get("output_tokens"):
        return Finding("`message_delta` has no count of output tokens", last.data)
    inputs = sum(
        count for name, count in counts.items() if name.endswith("input_tokens") and _is_count(count)
    )
    return None if inputs else Finding("no event has a count of input tokens above 0", last.data)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _error_shape(answer: Answer) -> Finding | None:
    require_error(answer)
    match answer.frames[0].value:
        case {"type": "error", "error": {"type": str(kind), "message": str(message)}} if kind and message:
            return None
    return Finding('the body is not {"type": "error", "error": {"type": …, "message": …}}', answer.body)


def _whole(answer: Answer) -> Finding | None:
    require_success(answer)
    match answer.frames[0].value:
        case {
            "type": "message",
            "role": "assistant",
            "id": str(),
            "content": [_, *_],
            "stop_reason": str(reason),
            "usage": {"input_tokens": int(), "output_tokens": int()},
        } if reason in STOP_REASONS:
            return None
    return Finding("the body is not a `message` with content, stop reason and usage", answer.body)


_EVERY: Final = each(*MESSAGES.requests(STREAMS))
_rule = partial(Rule, source=MESSAGES.source, requests=_EVERY)

RULES: Final = (
    _rule(
        "messages.event-name",
        "The name of every event, in its line `event:`, is the `type` of its data.",
        "Anthropic's SDKs select events by their name, and drop the others without an error.",
        judge=find_misnamed,
    ),
    _rule(
        "messages.order",
        "`message_start` comes first; `message_delta` and `message_stop` come after all blocks.",
        "SDKs raise an error, or return a message without what came later.",
        judge=partial(_follows, _ORDER),
    ),
    _rule(
        "messages.end",
        "A stream ends with `message_stop`.",
        "Clients take the answer for one that was cut off, and repeat the request.",
        judge=_end,
    ),
    _rule(
        "messages.one-block",
        "One block ends before the next one begins, and deltas are those of the open block.",
        "Claude Code runs a tool at the end of its block, with the arguments that it has by then.",
        judge=partial(_follows, _ONE_BLOCK),
    ),
    _rule(
        "messages.block-index",
        "Blocks are numbered from 0, without gaps, and their events have their number.",
        "SDKs use the number as a position: they crash, or add text to another block.",
        judge=_index,
    ),
    _rule(
        "messages.delta-type",
        "The deltas of a block have the type of the block.",
        "SDKs ignore the delta, so that its text is lost.",
        judge=_delta_types,
    ),
    _rule(
        "messages.signature",
        "A block of thinking ends with one signature.",
        "Clients send the block back in the next request, where a signature is required.",
        judge=_signature,
    ),
    _rule(
        "messages.tool-start",
        "A call begins with its name and the input {}; its arguments are deltas.",
        "Clients add the deltas to the input that is there, and get arguments that are no JSON.",
        requests=each(MESSAGES.request("tool"), MESSAGES.request("two calls")),
        judge=_tool_use,
    ),
    _rule(
        "messages.start",
        "`message_start` has the message without content: id, model, role, no stop reason.",
        "SDKs fill in this object, and fail on what it lacks.",
        judge=_start,
    ),
    _rule(
        "messages.stop-reason",
        "The stop reason is one that the API documents.",
        "Agents do not know whether to run a tool, to continue, or to stop.",
        judge=_stop_reason,
    ),
    _rule(
        "messages.usage",
        "`message_start` counts the input tokens, or 0; `message_delta` counts the output tokens.",
        "Claude Code never shortens the conversation, and accounting counts nothing.",
        judge=_usage,
    ),
    _rule(
        "messages.error-shape",
        'The body of an error is {"type": "error", "error": {"type": …, "message": …}}.',
        "SDKs choose the exception, and whether to retry, by the type.",
        requests=each(*(MESSAGES.request(bad.what) for bad in MESSAGES.bad_inputs.values())),
        judge=_error_shape,
    ),
    _rule(
        "messages.whole-shape",
        "A response without `stream` is a `message` with content, stop reason and usage.",
        "SDKs raise a decoding error.",
        requests=each(MESSAGES.request("whole"), MESSAGES.request("whole with tool")),
        judge=_whole,
    ),
)
