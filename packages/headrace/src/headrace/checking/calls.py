"""Rules about tool calls in a stream."""

from functools import partial
from typing import Any, Final

from headrace.checking.answer import Answer, CallPart, decode_json
from headrace.checking.rule import (
    Finding,
    Rule,
    UnobservedError,
    each,
    require_finish_reason,
    require_success,
)
from headrace.checking.variants import TOOLS

__all__ = ["RULES"]

_REQUESTS: Final = ("tool", "tool_stream", "two calls")
_OPENAI: Final = "https://platform.openai.com/docs/guides/function-calling#streaming"
_NAMES: Final = tuple(tool["function"]["name"] for tool in TOOLS)  # type: ignore[index]


def _parts(answer: Answer) -> list[CallPart]:
    require_success(answer)
    if not answer.calls:
        raise UnobservedError("the model called no tool")
    return answer.calls


def _firsts(answer: Answer) -> dict[str, CallPart]:
    """Return the first part of each call, by index."""
    firsts: dict[str, CallPart] = {}
    for part in _parts(answer):
        firsts.setdefault(str(part.index), part)
    return firsts


def _index(answer: Answer) -> Finding | None:
    for expected, (index, part) in enumerate(_firsts(answer).items()):
        if type(part.index) is not int or index != str(expected):
            return Finding(
                f"call {expected + 1} has the index {part.index!r} instead of {expected}", part.frame.data
            )
    return None


def _name(answer: Answer) -> Finding | None:
    firsts = _firsts(answer)
    for part in _parts(answer):
        is_first = firsts[str(part.index)] is part
        if is_first and part.name not in _NAMES:
            return Finding(f"the first part of a call has the name {part.name!r}", part.frame.data)
        if not is_first and part.name:
            return Finding("a later part of a call has a name again", part.frame.data)
    return None


def _ids(answer: Answer) -> Finding | None:
    seen: set[str] = set()
    for part in _firsts(answer).values():
        if not isinstance(part.id, str) or not part.id or part.id in seen:
            return Finding(f"a call has the id {part.id!r}, which is missing or used twice", part.frame.data)
        seen.add(part.id)
    return None


def _two_ids(answer: Answer) -> Finding | None:
    if len(_firsts(answer)) < 2:
        raise UnobservedError("the model did not call two tools at once")
    return _index(answer) or _ids(answer)


def _arguments(answer: Answer) -> list[tuple[Any, CallPart]]:
    """Return the decoded arguments of each call, None if they are no JSON, and its last part."""
    calls: dict[str, list[CallPart]] = {}
    for part in _parts(answer):
        calls.setdefault(str(part.index), []).append(part)
    texts = ("".join(str(part.arguments or "") for part in parts) for parts in calls.values())
    return [
        (decode_json(text.encode()), parts[-1]) for text, parts in zip(texts, calls.values(), strict=True)
    ]


def _json(answer: Answer) -> Finding | None:
    for value, part in _arguments(answer):
        if not isinstance(value, dict):
            return Finding("the arguments of a call are not a JSON object", part.frame.data)
    return None


def _schema(answer: Answer) -> Finding | None:
    for value, part in _arguments(answer):
        if not isinstance(value, dict):
            raise UnobservedError("the arguments are not a JSON object")
        if value.keys() != {"location"} or not isinstance(value["location"], str):
            return Finding("the arguments of a call violate the schema of the tool", part.frame.data)
    return None


def _reason(answer: Answer) -> Finding | None:
    _parts(answer)
    if (reason := require_finish_reason(answer)) == "tool_calls":
        return None
    what = f"an answer with calls finishes with {reason!r}"
    return Finding(what, answer.finishes[0].data)


def _no_call(answer: Answer) -> Finding | None:
    require_success(answer)
    if answer.calls or answer.finish_reason == "tool_calls":
        return Finding("an answer to a request without tools has a call", answer.frames[-1].data)
    return None


_rule = partial(Rule, source=_OPENAI, requests=each(*_REQUESTS))

RULES: Final = (
    _rule(
        "call.index",
        "Calls are numbered from 0, without gaps.",
        "Clients that use the index as a position crash, or add the arguments to another call.",
        judge=_index,
    ),
    _rule(
        "call.name",
        "The first part of a call has its whole name; later parts have none.",
        "Clients that add up the parts call `get_weatherget_weather`, or start a call without a name.",
        judge=_name,
    ),
    _rule(
        "call.id",
        "Every call has an id of its own, in its first part.",
        "Results are assigned to the wrong call, or rejected.",
        judge=_ids,
    ),
    Rule(
        "call.parallel",
        "Two calls of one answer have the indexes 0 and 1 and different ids.",
        "The second call overwrites the first.",
        _OPENAI,
        each("two calls"),
        _two_ids,
    ),
    _rule(
        "call.arguments-json",
        "The joined arguments of a call are a JSON object.",
        "Agents cannot run the tool.",
        judge=_json,
    ),
    _rule(
        "call.arguments-schema",
        "The arguments obey the schema of the tool.",
        "The tool is run with wrong arguments.",
        judge=_schema,
    ),
    _rule(
        "call.finish-reason",
        "An answer with calls finishes with `tool_calls`.",
        "Agents stop instead of running the tool.",
        judge=_reason,
    ),
    Rule(
        "call.none",
        "A request without tools gets no call.",
        "Programs without tools fail.",
        _OPENAI,
        each("plain", "thinking", "no thinking"),
        _no_call,
    ),
)
