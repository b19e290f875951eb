"""When a request is tried again, and after how long. Decides; never waits."""

import math
import random
import time
from typing import Any, Final

from zai.errors import APIConnectionError, APIStatusError, APITimeoutError, ZaiError
from zai.http.deadlines import StreamTimeout
from zai.http.interruptible import InterruptibleConnection

__all__ = ["MAX_RETRY_AFTER", "Retries", "backoff", "is_retryable", "retry_after"]

MAX_RETRY_AFTER: Final = 60.0
"""Seconds that a server may ask to wait."""

_FIRST_DELAY: Final = 0.5
_MAX_DELAY: Final = 8.0
_RETRYABLE: Final = (408, 409, 429)


class Retries:
    """The tries of one request.

    Args:
        max_retries: how many tries may follow the first.
        limits: of time for all of them, which none may follow that took too long.
    """

    def __init__(self, max_retries: int, limits: StreamTimeout | None = None) -> None:
        self.connection = InterruptibleConnection()
        """What they go over."""
        self.started_at = self.sent_at = time.monotonic()
        """When the first try was made, and when the last."""
        self._end = self.started_at + limits.total if limits and limits.total else math.inf
        self._after_timeouts = limits is None
        self._retries = max_retries
        self._made = 0

    def seconds_left(self) -> float:
        """For all that is still to come; infinity if there is no limit."""
        return self._end - time.monotonic()

    def next_delay(self, error: ZaiError) -> float:
        """Seconds to wait before the next try; raises `error` if there shall or can be none."""
        requested = None
        if isinstance(error, APIStatusError) and is_retryable(error):
            requested = retry_after(getattr(error.response, "headers", {}))
        elif not isinstance(error, APIConnectionError) or self._is_final(error):
            raise error
        # A server that asks for minutes is obeyed by not trying again.
        if self._retries <= self._made or (requested is not None and requested > MAX_RETRY_AFTER):
            raise error
        self._made += 1
        delay = backoff(self._made) if requested is None else requested
        if delay >= self.seconds_left():
            raise error
        return delay

    def _is_final(self, error: APIConnectionError) -> bool:
        return isinstance(error, APITimeoutError) and not self._after_timeouts


def is_retryable(error: APIStatusError) -> bool:
    """As the official SDK: 408, 409, 429 and from 500 on, unless `x-should-retry` says otherwise."""
    override = getattr(error.response, "headers", {}).get("x-should-retry")
    if override in ("true", "false"):
        return bool(override == "true")
    return error.status_code in _RETRYABLE or error.status_code >= 500


def backoff(retry: int) -> float:
    """Seconds before the try number `retry` (from 1): 0.5, 1, 2, 4, 8, 8, … less up to a quarter."""
    return min(_FIRST_DELAY * 2.0 ** (retry - 1), _MAX_DELAY) * (1 - 0.25 * random.random())  # noqa: S311


def retry_after(headers: Any) -> float | None:
    """Seconds that the server asks to wait: a number, or a date."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime  # seldom needed, slow to import

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):  # no date, or one beyond all calendars
        return None
