"""Rules about clients that disconnect: their generation ends, or is resumed."""

from typing import Final

from headrace.checking.answer import Answer
from headrace.checking.framing import find_collected
from headrace.checking.rule import Finding, Rule, UnobservedError, each, require_success

__all__ = ["RULES"]

_RESUME: Final = "docs/resume.md"


def _first_delta(answer: Answer) -> float:
    """Return the seconds until the first delta."""
    require_success(answer)
    if not answer.deltas:
        raise UnobservedError("the answer is empty")
    return answer.deltas[0].at


def _freed(alone: Answer, busy: Answer, after: Answer) -> Finding | None:
    short, long = _first_delta(alone), _first_delta(busy)
    if long < 3 * short:
        raise UnobservedError(f"ten requests at once let another wait for only {long:.3f} seconds")
    waited = _first_delta(after)
    if waited < (short + long) / 2:
        return None
    what = f"a request waited for {waited:.3f} seconds, although the clients before it had disconnected;"
    return Finding(f"{what} {long:.3f} with clients that read, {short:.3f} alone", after.deltas[0].data)


def _rest(left: Answer, resumed: Answer, replayed: Answer) -> Finding | None:
    require_success(left)
    require_success(resumed)
    require_success(replayed)
    if not replayed.deltas:
        return Finding("the stream that is read again has no text", replayed.body[:200])
    for field in ("content", "reasoning_content"):
        joined, whole = left.text(field) + resumed.text(field), replayed.text(field)
        if joined != whole:
            what = f"`{field}` has {len(joined)} characters in two parts, and {len(whole)} in one"
            return Finding(what, resumed.frames[0].data if resumed.frames else b"")
    return None


RULES: Final = (
    Rule(
        "cancel.frees",
        "When clients disconnect, their generations end, and the next request need not wait.",
        "The accelerator works for answers that are never read, and everyone else waits.",
        "https://github.com/pegainfer-project/pegainfer/issues/215",
        (("max_tokens", "busy", "after leaving"),),
        _freed,
    ),
    Rule(
        "resume.rest",
        "A resumed stream continues after the last event that the client received.",
        "Text is lost or repeated after a lost connection.",
        _RESUME,
        (("left", "resumed", "replayed"),),
        _rest,
    ),
    Rule(
        "resume.incremental",
        "Deltas of a resumed stream arrive while the answer is generated.",
        "A proxy that collects the response to a GET makes every reconnect silent until the end.",
        "https://github.com/cloudflare/cloudflared/issues/1449",
        each("resumed"),
        find_collected,
    ),
)
