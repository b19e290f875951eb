"""A response → what is measured of it. Times are seconds after the planned start of its request."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from headrace.benchmarking.apis import APIS
from headrace.checking.answer import Answer
from headrace.checking.endpoint import Response
from headrace.sse import DONE

__all__ = ["FIRSTS", "OUTCOMES", "REFUSALS", "Outcome", "Sample", "measure"]

Outcome = Literal["success", "error", "truncated", "empty", "cancelled", "client"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("success", "error", "truncated", "empty", "cancelled", "client")

FIRSTS: Final = ("byte", "delta", "thinking", "answer", "argument")
"""The first times of a stream. Role, empty and usage chunks and comments are first bytes only."""

REFUSALS: Final = (429, 503)
"""The status codes of an endpoint that has too much to do."""

_FAILED: Final = ("error", "network_error", "abort")  # finish reasons of Z.ai, SGLang and gateways
_MAX_BODY: Final = 200  # bytes
_MAX_COUNT: Final = 2**53  # a larger integer is not exact as a number of JSON (RFC 8259, 6)


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A measured request."""

    planned: float
    """The planned start: seconds after the start of the run."""
    started: float = 0.0
    """When the client began to send it: late if the client was busy."""
    outcome: Outcome
    detail: str = ""
    """What is wrong, for outcomes other than success."""
    body: str = ""
    """The beginning of the body, for outcomes other than success."""
    status: int = 0
    retry_after: str = ""
    retried: tuple[int, ...] = ()
    """The statuses of earlier attempts; 0 is one without a connection."""
    firsts: dict[str, float] = {}
    deliveries: tuple[float, ...] = ()
    """When deltas arrived. Deltas that arrive together are one delivery, whatever number of tokens it has."""
    mean_text: float | None = None
    """The mean of the times at which the characters arrived."""
    end: float = 0.0
    cancel_latency: float | None = None
    """From half-closing the connection until the endpoint closed it, if the client cancelled the request."""
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def gaps(self) -> list[float]:
        """The times between deliveries."""
        return [after - before for before, after in zip(self.deliveries, self.deliveries[1:], strict=False)]

    @property
    def is_refused(self) -> bool:
        """Whether an attempt was refused."""
        return any(status in REFUSALS for status in (*self.retried, self.status))


def measure(
    response: Response,
    planned: float,
    started: float,
    delay: float,
    *,
    api: str = "chat",
    retried: tuple[int, ...] = (),
) -> Sample:
    """Measure the response to a request.

    Args:
        response: what was received.
        planned: the planned start of the request, in seconds after the start of the run.
        started: seconds from the planned start until the client began to send it.
        delay: seconds from the planned start until it was sent, for the last time.
        api: the API of the request, a key of `APIS`.
        retried: the statuses of earlier attempts.
    """
    answer = Answer(response, is_stream=True)
    content = _Content(answer, api)
    size = sum(content.deltas.values())
    weighted = sum(at * characters for at, characters in content.deltas.items())
    outcome, detail = _classify(answer, content)
    return Sample(
        planned=planned,
        started=started,
        outcome=outcome,
        detail=detail,
        body="" if outcome == "success" else answer.body[:_MAX_BODY].decode("utf-8", "replace"),
        status=response.status,
        retry_after=response.headers.get("retry-after", ""),
        retried=retried,
        firsts={kind: delay + at for kind, at in content.firsts.items()},
        deliveries=tuple(delay + at for at in content.deltas),
        mean_text=delay + weighted / size if size else None,
        end=delay + response.seconds,
        cancel_latency=response.seconds - response.left
        if outcome == "cancelled" and response.left is not None
        else None,
        **{name: _count(content.counts, name) for name in _COUNTS},
    )


_COUNTS: Final = ("prompt_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")


class _Content:
    """What the events of an answer contain."""

    def __init__(self, answer: Answer, api: str) -> None:
        self.firsts = {"byte": answer.pieces[0][0]} if answer.pieces else {}
        self.deltas: dict[float, int] = {}
        """The times at which deltas arrived, and their characters."""
        self.finish = ""
        self.counts: dict[str, Any] = {}
        self.errors: list[Any] = []
        self.is_ended = False
        read = APIS[api].read
        for frame in answer.frames:
            self.is_ended |= frame.data == DONE
            if not isinstance(frame.value, dict):
                continue
            kinds, size, finish, counts, error, is_end = read(frame.value)
            for kind in kinds:
                self.firsts.setdefault(kind, frame.at)
            if kinds:
                self.deltas[frame.at] = self.deltas.get(frame.at, 0) + size
            self.finish = self.finish or finish
            self.counts.update(counts)
            self.is_ended |= is_end
            if error or "error" in frame.value:
                self.errors.append(error)


def _classify(answer: Answer, content: _Content) -> tuple[Outcome, str]:
    response = answer.response
    if response.cause == "client":
        return "client", response.failure
    if not response.status:
        return "error", f"{response.cause}: {response.failure}"
    if response.status != 200:
        return "error", f"status {response.status}{_code(content.errors)}"
    if response.left is not None:
        return "cancelled", "by the client, as requested"
    if content.errors:
        return "error", f"within the stream{_code(content.errors)}"
    if content.finish in _FAILED:
        return "error", f"finish reason {content.finish}"
    if answer.failure:
        return "truncated", answer.failure
    if answer.sse.unparsed and not answer.frames:
        return "error", "not a stream"
    if not answer.frames or (not content.deltas and content.finish):
        return "empty", "no output"
    if not content.finish:
        return "truncated", "no finish reason"
    if not content.is_ended:
        return "truncated", "no end mark, such as [DONE]"
    return "success", ""


def _code(errors: list[Any]) -> str:
    code = errors[0].get("code") or errors[0].get("type") if errors and isinstance(errors[0], dict) else None
    return f", code {code}" if code else ""


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    value = counts.get(name)
    return value if type(value) is int and 0 <= value <= _MAX_COUNT else None
