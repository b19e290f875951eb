"""What is known of a call of a model's server when it has ended, for metrics."""

from time import monotonic

import msgspec

from headrace.errors import DecodeError, EngineError, HeadraceError

__all__ = ["Call", "CallTimer", "is_failure"]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request to a model's server, and its response.

    Args:
        seconds: until the response ended.
        first_chunk_seconds: until its body began; None if there was none.
        finish_reason: of the answer; "" if it has none.
        error: why the call failed; None if it did not. Without an error and a reason, it was stopped.
    """

    seconds: float
    first_chunk_seconds: float | None
    finish_reason: str
    error: HeadraceError | None


class CallTimer:
    """Times a call from now on."""

    __slots__ = ("_began", "_first_chunk_seconds")

    def __init__(self) -> None:
        self._began = monotonic()
        self._first_chunk_seconds: float | None = None

    def first_chunk(self) -> None:
        """Note that the body of the response has begun."""
        if self._first_chunk_seconds is None:
            self._first_chunk_seconds = monotonic() - self._began

    def end(self, finish_reason: str, error: HeadraceError | None) -> Call:
        """Return the call, which ends now."""
        return Call(
            seconds=monotonic() - self._began,
            first_chunk_seconds=self._first_chunk_seconds,
            finish_reason=finish_reason,
            error=error,
        )


def is_failure(error: HeadraceError | None) -> bool:
    """Return whether an error means that the server does not work, rather than that it is busy."""
    return isinstance(error, EngineError | DecodeError)
