"""Rules about the chunks of a stream: what stays the same, how the stream finishes, and its usage."""

from collections.abc import Callable
from functools import partial
from itertools import dropwhile, islice
from typing import Any, Final

from headrace.checking.answer import Answer, Frame, choices_of, has_output
from headrace.checking.rule import (
    Finding,
    Rule,
    UnobservedError,
    each,
    require_finish_reason,
    require_success,
)
from headrace.checking.variants import LIMIT, PARALLEL, STREAMS

__all__ = ["RULES"]

_CHUNK: Final = "https://platform.openai.com/docs/api-reference/chat-streaming/streaming"
_ZAI: Final = "https://docs.z.ai/api-reference/llm/chat-completion"
_REASONS: Final = frozenset(
    {
        "stop",
        "length",
        "tool_calls",
        "content_filter",
        "sensitive",
        "network_error",
        "model_context_window_exceeded",
    }
)


def _chunks(answer: Answer) -> list[Frame]:
    require_success(answer)
    if not answer.chunks:
        raise UnobservedError("the stream has no chunks")
    return answer.chunks


def _constant(field: str, kind: type, answer: Answer) -> Finding | None:
    first, *others = _chunks(answer)
    expected = first.value.get(field)
    if type(expected) is not kind or not expected:
        return Finding(f"`{field}` is {expected!r}", first.data)
    for frame in others:
        if frame.value.get(field) != expected:
            return Finding(f"`{field}` changes from {expected!r} to {frame.value.get(field)!r}", frame.data)
    return None


def _object(answer: Answer) -> Finding | None:
    for frame in _chunks(answer):
        if (value := frame.value.get("object")) != "chat.completion.chunk":
            return Finding(f"`object` is {value!r}", frame.data)
    return None


def _choices(answer: Answer) -> Finding | None:
    for frame in _chunks(answer):
        if not isinstance(frame.value.get("choices"), list):
            return Finding("a chunk has no list `choices`", frame.data)
    return None


def _unique(*answers: Answer) -> Finding | None:
    seen: set[str] = set()
    successful = [answer for answer in answers if answer.response.status == 200 and answer.chunks]
    if len(successful) < 2:
        raise UnobservedError("fewer than two requests succeeded")
    for answer in successful:
        first = answer.chunks[0]
        value = str(first.value.get("id"))
        if value in seen:
            return Finding(f"two answers have the id {value!r}", first.data)
        seen.add(value)
    return None


def _role(answer: Answer) -> Finding | None:
    first = next((f for f in _chunks(answer) if choices_of(f)), None)
    if first is None:
        return Finding("no chunk has a choice", answer.chunks[0].data)
    delta = choices_of(first)[0].get("delta")
    if isinstance(delta, dict) and delta.get("role") == "assistant":
        return None
    return Finding("the first delta lacks the role `assistant`", first.data)


def _index(answer: Answer) -> Finding | None:
    for frame in _chunks(answer):
        for choice in choices_of(frame):
            if choice.get("index") != 0:
                return Finding(f"a choice has the index {choice.get('index')!r}", frame.data)
    return None


def _finish_once(answer: Answer) -> Finding | None:
    chunks = _chunks(answer)
    finishes = answer.finishes
    if len(finishes) != 1:
        return Finding(f"{len(finishes)} chunks have a finish reason", (finishes or chunks)[-1].data)
    after = islice(dropwhile(lambda frame: frame is not finishes[0], chunks), 1, None)
    late = next((frame for frame in after if has_output(frame)), None)
    return Finding("a delta comes after the finish reason", late.data) if late else None


def _reason(answer: Answer) -> Finding | None:
    _chunks(answer)
    if (reason := require_finish_reason(answer)) in _REASONS:
        return None
    return Finding(f"the finish reason is {reason!r}", answer.finishes[0].data)


def _length(answer: Answer) -> Finding | None:
    _chunks(answer)
    if (reason := require_finish_reason(answer)) == "length":
        return None
    what = f"the answer was limited to {LIMIT} tokens, but its finish reason is {reason!r}"
    return Finding(what, answer.finishes[0].data)


def _usage_present(answer: Answer) -> Finding | None:
    chunks = _chunks(answer)
    return None if answer.usages else Finding("no chunk has a usage", chunks[-1].data)


def _of_usage(
    look: Callable[[Answer, Frame, dict[str, Any]], Finding | None], answer: Answer
) -> Finding | None:
    _chunks(answer)
    if not answer.usages:
        raise UnobservedError("no chunk has a usage")
    last = answer.usages[-1]
    usage = last.value["usage"]
    if not isinstance(usage, dict):
        return Finding("`usage` is not an object", last.data)
    return look(answer, last, usage)


def _usage_once(answer: Answer, last: Frame, _: dict[str, Any]) -> Finding | None:
    count = len(answer.usages)
    return Finding(f"{count} chunks have a usage", last.data) if count > 1 else None


def _usage_sum(_: Answer, last: Frame, usage: dict[str, Any]) -> Finding | None:
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    if not all(type(count) is int and count >= 0 for count in counts):
        return Finding("a count of tokens is missing or is not a natural number", last.data)
    prompt, completion, total = counts
    return None if prompt + completion == total else Finding("the total is not the sum", last.data)  # type: ignore[operator]


def _usage_plausible(answer: Answer, last: Frame, usage: dict[str, Any]) -> Finding | None:
    if not answer.deltas:
        raise UnobservedError("the answer is empty")
    if usage.get("completion_tokens") and usage.get("prompt_tokens"):
        return None
    return Finding("an answer with text has a count of 0 tokens", last.data)


def _usage_limit(_: Answer, last: Frame, usage: dict[str, Any]) -> Finding | None:
    count = usage.get("completion_tokens")
    if not isinstance(count, int):
        raise UnobservedError("`completion_tokens` is missing")
    what = f"{count} tokens were generated instead of {LIMIT} at most"
    return Finding(what, last.data) if count > LIMIT else None


def _same(field: str, kind: type, breaks: str) -> Rule:
    sentence = f"Every chunk of a stream has the same `{field}`."
    return Rule(f"chunk.{field}", sentence, breaks, _CHUNK, each(*STREAMS), partial(_constant, field, kind))


def _usage(
    id: str, sentence: str, breaks: str, requests: tuple[str, ...], look: Callable[..., Finding | None]
) -> Rule:
    return Rule(f"usage.{id}", sentence, breaks, _ZAI, each(*requests), partial(_of_usage, look))


RULES: Final = (
    _same("id", str, "Clients that join chunks by their id see several answers."),
    _same("created", int, "Typed SDKs reject the chunk, or logs order an answer wrongly."),
    _same("model", str, "Accounting by model splits one answer."),
    Rule(
        "chunk.object",
        "`object` is `chat.completion.chunk`.",
        "Clients that select the decoder by it ignore the chunk.",
        _CHUNK,
        each(*STREAMS),
        _object,
    ),
    Rule(
        "chunk.choices",
        "Every chunk has a list of choices; silence is not filled by events.",
        "Programs on PyPI's zai-sdk and openai fail on a ping, which is a chunk without choices.",
        _CHUNK,
        each(*STREAMS),
        _choices,
    ),
    Rule(
        "chunk.unique-id",
        "Answers to requests that run at once have different ids.",
        "Logs and clients mix the answers of different users.",
        _CHUNK,
        (PARALLEL,),
        _unique,
    ),
    Rule(
        "chunk.role",
        "The first delta has the role `assistant`.",
        "Clients that build the message from the deltas send it back without a role, which gets 400.",
        _CHUNK,
        each(*STREAMS),
        _role,
    ),
    Rule(
        "chunk.choice-index",
        "The only choice has the index 0.",
        "Clients add the delta to another answer.",
        _CHUNK,
        each(*STREAMS),
        _index,
    ),
    Rule(
        "finish.once",
        "One chunk has a finish reason, and no delta follows it.",
        "Clients stop at the first one, and lose what follows; without one, they report a cut answer.",
        _CHUNK,
        each(*STREAMS),
        _finish_once,
    ),
    Rule(
        "finish.reason",
        "The finish reason is one that the API documents.",
        "Typed SDKs reject the chunk; agents do not know whether to continue.",
        _ZAI,
        each(*STREAMS),
        _reason,
    ),
    Rule(
        "finish.length",
        "An answer that reaches `max_tokens` finishes with `length`.",
        "Programs take half an answer for a complete one.",
        _ZAI,
        each("max_tokens"),
        _length,
    ),
    Rule(
        "usage.present",
        "A stream has a usage.",
        "Accounting counts nothing.",
        _ZAI,
        each(*STREAMS),
        _usage_present,
    ),
    _usage(
        "once", "One chunk has the usage.", "Clients that add up usages count twice.", STREAMS, _usage_once
    ),
    _usage("sum", "The total is the sum of both counts.", "Invoices do not add up.", STREAMS, _usage_sum),
    _usage(
        "plausible",
        "An answer with text has counts above 0.",
        "Limits and budgets never apply.",
        STREAMS,
        _usage_plausible,
    ),
    _usage(
        "limit",
        "No more than `max_tokens` tokens are generated.",
        "Costs exceed the caller's limit.",
        ("max_tokens",),
        _usage_limit,
    ),
)
