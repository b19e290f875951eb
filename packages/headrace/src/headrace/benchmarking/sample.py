"""What is measured of a request. Times are seconds after its planned start."""

from typing import Final, Literal

import msgspec

__all__ = ["FIRSTS", "OUTCOMES", "REFUSALS", "Outcome", "Sample"]

Outcome = Literal["success", "error", "truncated", "empty", "cancelled", "client"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("success", "error", "truncated", "empty", "cancelled", "client")

FIRSTS: Final = ("byte", "delta", "thinking", "answer", "argument")
"""The first times of a stream. Role, empty and usage chunks and comments are first bytes only."""

REFUSALS: Final = (429, 503)
"""The status codes of an endpoint that has too much to do."""


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
