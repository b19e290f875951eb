"""Rules about what an answer contains, and about equal answers to equal requests."""

import re
from typing import Any, Final

import msgspec

from headrace.checking.answer import Answer, decode_json
from headrace.checking.rule import Finding, Rule, UnobservedError, each, require_success
from headrace.checking.variants import SCHEMA, STOP, STREAMS

__all__ = ["RULES"]

_ZAI: Final = "https://docs.z.ai/api-reference/llm/chat-completion"
_MARKUP: Final = re.compile(r"</?(?:think|tool_call|arg_key|arg_value)>|<\|[^<>|]{1,40}\|>")


def _texts(answer: Answer) -> dict[str, str]:
    require_success(answer)
    texts = {field: answer.text(field) for field in ("content", "reasoning_content")}
    if not any(texts.values()):
        raise UnobservedError("the answer has no text")
    return texts


def _containing(answer: Answer, part: str) -> bytes:
    """Return the frame that contains a text; the last one if the text spans several."""
    frames = [frame.data for frame in answer.deltas]
    return next((data for data in frames if part.encode() in data), frames[-1])


def _markup(answer: Answer) -> Finding | None:
    for field, text in _texts(answer).items():
        if found := _MARKUP.search(text):
            return Finding(f"`{field}` contains {found[0]!r}", _containing(answer, found[0]))
    return None


def _replacement(answer: Answer) -> Finding | None:
    for field, text in _texts(answer).items():
        if "\ufffd" in text:
            return Finding(f"`{field}` contains U+FFFD", _containing(answer, "\ufffd"))
    return None


def _thinking(answer: Answer) -> Finding | None:
    if _texts(answer)["reasoning_content"]:
        return None
    return Finding("thinking is enabled, but there is no `reasoning_content`", answer.deltas[0].data)


def _no_thinking(answer: Answer) -> Finding | None:
    if not _texts(answer)["reasoning_content"]:
        return None
    return Finding("thinking is disabled, but there is `reasoning_content`", answer.deltas[0].data)


def _effort(low: Answer, high: Answer) -> Finding | None:
    thoughts = [_texts(answer)["reasoning_content"] for answer in (low, high)]
    if not any(thoughts):
        raise UnobservedError("the model does not think")
    if "length" in (low.finish_reason, high.finish_reason):
        raise UnobservedError("an answer reached `max_tokens`")
    if len(thoughts[0]) <= len(thoughts[1]):
        return None
    what = f"{len(thoughts[0])} characters of thoughts with low effort, {len(thoughts[1])} with high effort"
    return Finding(what, low.deltas[0].data)


def _stop(plain: Answer, stopped: Answer) -> Finding | None:
    if STOP not in _texts(plain)["content"]:
        raise UnobservedError("the answer without `stop` does not contain the stop string either")
    require_success(stopped)
    last = (stopped.deltas or stopped.frames)[-1].data
    if STOP in stopped.text():
        return Finding(f"the answer contains the stop string {STOP!r}", last)
    if stopped.finish_reason != "stop":
        return Finding(f"the finish reason is {stopped.finish_reason!r}", last)
    return None


def _json_content(answer: Answer) -> Any:
    """Return the decoded content; None if it is no JSON."""
    require_success(answer)
    if answer.finish_reason == "length":
        raise UnobservedError("the answer reached `max_tokens`")
    return decode_json(answer.text().encode())


def _json_object(answer: Answer) -> Finding | None:
    if isinstance(_json_content(answer), dict):
        return None
    return Finding("the content is not a JSON object", answer.text().encode())


def _json_schema(answer: Answer) -> Finding | None:
    value = _json_content(answer)
    properties = SCHEMA["properties"].keys()
    if isinstance(value, dict) and value.keys() == properties and all(type(v) is str for v in value.values()):
        return None
    return Finding("the content violates the schema", answer.text().encode())


def _accepted(answer: Answer) -> Finding | None:
    status = answer.response.status
    if not status:
        raise UnobservedError(answer.failure)
    return None if status == 200 else Finding(f"status {status}", answer.body)


def _calls(answer: Answer) -> list[tuple[str, Any]]:
    """Return the name of each call and its arguments, decoded if they are JSON."""
    calls: list[tuple[str, Any]] = []
    for name, arguments in answer.fold_calls():
        try:
            calls.append((name, msgspec.json.decode(arguments)))
        except (msgspec.DecodeError, RecursionError):
            calls.append((name, arguments))
    return calls


def _equal(one: Answer, other: Answer) -> Finding | None:
    require_success(one)
    require_success(other)
    for field in ("content", "reasoning_content"):
        if one.text(field) != other.text(field):
            return Finding(f"`{field}` differs: {one.text(field)[:80]!r}", other.text(field)[:200].encode())
    if (calls := _calls(one)) != _calls(other):
        return Finding(f"the calls differ: {calls}", str(_calls(other)).encode())
    if one.finish_reason != other.finish_reason:
        return Finding(f"the finish reasons are {one.finish_reason!r} and {other.finish_reason!r}")
    return None


def _whole(answer: Answer) -> Finding | None:
    require_success(answer)
    value = answer.frames[0].value
    if not isinstance(value, dict) or value.get("object") != "chat.completion":
        return Finding("the body is not a `chat.completion`", answer.body)
    if not answer.finish_reason or not answer.usages:
        return Finding("the finish reason or the usage is missing", answer.body)
    return None


RULES: Final = (
    Rule(
        "text.markup",
        "No markup of the model's template is part of a text.",
        "Readers see `<think>` or `<|…|>`, and agents miss the call that was meant.",
        _ZAI,
        each(*STREAMS),
        _markup,
    ),
    Rule(
        "text.replacement",
        "No text contains the replacement character U+FFFD.",
        "A character that spans two tokens is lost: Chinese and emoji show �.",
        "The Unicode Standard, section 3.9",
        each(*STREAMS),
        _replacement,
    ),
    Rule(
        "thinking.enabled",
        "With thinking enabled, thoughts are in `reasoning_content`.",
        "Thoughts are shown as part of the answer, or lost.",
        _ZAI,
        each("thinking"),
        _thinking,
    ),
    Rule(
        "thinking.disabled",
        "With thinking disabled, there is no `reasoning_content`.",
        "Answers take longer and cost more than the caller asked for.",
        _ZAI,
        each("no thinking"),
        _no_thinking,
    ),
    Rule(
        "thinking.effort",
        "The efforts `low` and `high` are accepted.",
        "Programs that name an effort fail.",
        _ZAI,
        each("low effort", "high effort"),
        _accepted,
    ),
    Rule(
        "thinking.effort-order",
        "Low effort has no longer thoughts than high effort.",
        "The field has no effect, or the opposite one.",
        _ZAI,
        (("low effort", "high effort"),),
        _effort,
    ),
    Rule(
        "stop.string",
        "An answer ends before a stop string.",
        "Programs that cut the answer there get more than they asked for.",
        _ZAI,
        (("plain", "stop"),),
        _stop,
    ),
    Rule(
        "json.object",
        "With `json_object`, the content is a JSON object.",
        "Programs fail to decode it.",
        _ZAI,
        each("json_object"),
        _json_object,
    ),
    Rule(
        "json.schema",
        "With `json_schema`, the content obeys the schema.",
        "Programs fail on a missing field.",
        "https://platform.openai.com/docs/guides/structured-outputs",
        each("json_schema"),
        _json_schema,
    ),
    Rule(
        "history.tool-result",
        'A call in the history may have the content "" or null.',
        "Agents cannot continue after a tool.",
        "https://platform.openai.com/docs/api-reference/chat/create",
        each("tool result", "tool result, content null"),
        _accepted,
    ),
    Rule(
        "whole.shape",
        "A response without `stream` is a `chat.completion` with finish reason and usage.",
        "SDKs raise a decoding error.",
        _ZAI,
        each("whole", "whole with tool"),
        _whole,
    ),
    Rule(
        "whole.equal",
        "The same request has the same answer with `stream` and without.",
        "Two parsers disagree: one of the two loses text or calls.",
        _ZAI,
        (("plain", "whole"), ("tool", "whole with tool")),
        _equal,
    ),
    Rule(
        "seed.equal",
        "The same request with the same seed at temperature 0 has the same answer.",
        "Tests and evaluations cannot be repeated.",
        "https://platform.openai.com/docs/api-reference/chat/create",
        (("plain", "plain again"),),
        _equal,
    ),
)
