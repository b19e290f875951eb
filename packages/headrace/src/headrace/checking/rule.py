"""What a rule is, and how it is judged."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from headrace.checking.answer import Answer

__all__ = [
    "Finding",
    "Result",
    "Rule",
    "UnobservedError",
    "each",
    "find_misnamed",
    "judge",
    "require_error",
    "require_finish_reason",
    "require_success",
]


class Finding(NamedTuple):
    """How an answer breaks a rule, and the frame or body that shows it."""

    text: str
    frame: bytes = b""


class UnobservedError(Exception):
    """An answer cannot show whether the rule holds; the message has the reason."""


class Rule(NamedTuple):
    """A rule, as data.

    `judge` gets the answers to the requests of one item of `requests`. It returns a finding if they break the
    rule and None if they do not, or raises `UnobservedError`.
    """

    id: str
    sentence: str
    """What is required."""
    breaks: str
    """What goes wrong otherwise, and for which programs."""
    source: str
    """The specification or the report."""
    requests: tuple[tuple[str, ...], ...]
    """Names of planned requests; the rule is judged once for each item."""
    judge: Callable[..., Finding | None]


class Result(msgspec.Struct, kw_only=True):
    """The result of a rule: `outcome` is holds, broken, unsteady or skipped."""

    rule: str
    outcome: str
    broken: int = 0
    """Observations that break the rule."""
    observed: int = 0
    text: str = ""
    """The first finding; the reason if the rule was skipped."""
    request: str = ""
    """The request of the first finding."""
    frame: bytes = b""


def each(*names: str) -> tuple[tuple[str, ...], ...]:
    """Return the `requests` of a rule that is judged for each of these requests."""
    return tuple((name,) for name in names)


def require_success(answer: Answer) -> None:
    """Raise `UnobservedError` unless the response has status 200."""
    response = answer.response
    if response.status != 200:
        body = answer.body[:200].decode("utf-8", "replace")
        raise UnobservedError(f"status {response.status}: {body}" if response.status else answer.failure)


def require_finish_reason(answer: Answer) -> str:
    """Return the finish reason of an answer.

    Raises:
        UnobservedError: no chunk has one.
    """
    if not answer.finishes:
        raise UnobservedError("no chunk has a finish reason")
    return answer.finish_reason


def require_error(answer: Answer) -> None:
    """Raise `UnobservedError` unless the response has a status of errors."""
    status = answer.response.status
    if status < 400:
        raise UnobservedError(f"it is accepted with status {status}" if status else answer.failure)


def find_misnamed(answer: Answer) -> Finding | None:
    """Return a finding if the name of an event is not the type of its data."""
    require_success(answer)
    for frame in answer.frames:
        if isinstance(frame.value, dict) and frame.event != (kind := frame.value.get("type")):
            return Finding(f"an event of type {kind!r} has the name {frame.event!r}", frame.data)
    return None


def judge(rule: Rule, runs: Mapping[str, Sequence[Answer]], unsent: Mapping[str, str]) -> Result:
    """Judge a rule.

    Args:
        rule: which one.
        runs: the answers to each request, one for each run.
        unsent: the reasons why other requests were not sent.
    """
    result = Result(rule=rule.id, outcome="skipped")
    is_broken = False  # in every run of a request
    reasons: list[str] = []
    for names in rule.requests:
        observed = broken = 0
        for answers in zip(*(runs.get(name, ()) for name in names), strict=False):
            try:
                finding = rule.judge(*answers)
            except UnobservedError as reason:
                reasons.append(str(reason))
                continue
            except RecursionError:
                reasons.append("the answer is nested too deeply")
                continue
            observed += 1
            if finding:
                broken += 1
                if not result.request:
                    result.text, result.frame = finding
                    result.request = " + ".join(names)
        result.observed += observed
        result.broken += broken
        is_broken |= 0 < broken == observed
    if result.observed:
        result.outcome = "broken" if is_broken else "unsteady" if result.broken else "holds"
        result.text = result.text if result.broken else ""
    else:
        not_sent = (unsent[name] for names in rule.requests for name in names if name in unsent)
        result.text = next(iter((*reasons, *not_sent)), "")
    return result
