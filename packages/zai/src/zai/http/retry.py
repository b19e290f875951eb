"""Whether and when a failed request is sent again. Decides; never waits."""

import math
import random
import time
from collections.abc import Mapping
from typing import Final

from zai.errors import APIConnectionError, APIStatusError, APITimeoutError, ZaiError
from zai.http.deadlines import StreamTimeout

__all__ = ["MAX_RETRY_AFTER", "Retries", "backoff", "full_jitter", "is_retryable", "retry_after"]

MAX_RETRY_AFTER: Final = 60.0
"""The longest Retry-After that is honored, in seconds."""

_INITIAL_DELAY: Final = 0.5
_MAX_DELAY: Final = 8.0
_MAX_JITTER: Final = 30.0
_JITTER: Final = 0.25  # of a delay
_RETRYABLE: Final = (408, 409, 429)


class Retries:
    """The retries of one request.

    Args:
        max_retries: how often the request may be sent again.
        limits: limits of the whole stream; a request that timed out under them is not sent again.
    """

    def __init__(self, max_retries: int, limits: StreamTimeout | None = None) -> None:
        self.started_at = self.sent_at = time.monotonic()
        """When the request was sent for the first time, and for the last."""
        self._end = self.started_at + limits.total if limits and limits.total else math.inf
        self._retry_timeouts = limits is None
        self._max_retries = max_retries
        self._made = 0

    def seconds_left(self) -> float:
        """Return the seconds until `limits.total` has passed."""
        return self._end - time.monotonic()

    def next_delay(self, error: ZaiError) -> float:
        """Return the seconds to wait before the next retry; raise `error` if there is none."""
        requested = None
        if isinstance(error, APIStatusError) and is_retryable(error):
            requested = retry_after(error.response.headers)
        elif not isinstance(error, APIConnectionError) or self._is_final(error):
            raise error
        if self._made >= self._max_retries or (requested is not None and requested > MAX_RETRY_AFTER):
            raise error
        self._made += 1
        delay = backoff(self._made) if requested is None else requested * (1 + _JITTER * random.random())  # noqa: S311
        if delay >= self.seconds_left():
            raise error
        return delay

    def _is_final(self, error: APIConnectionError) -> bool:
        return isinstance(error, APITimeoutError) and not self._retry_timeouts


def is_retryable(error: APIStatusError) -> bool:
    """Whether the status is 408, 409, 429 or ≥ 500, unless `x-should-retry` overrides it (as in zai-sdk)."""
    override = error.response.headers.get("x-should-retry")
    if override in ("true", "false"):
        return override == "true"
    return error.status_code in _RETRYABLE or error.status_code >= 500


def backoff(retry: int) -> float:
    """Return zai-sdk's seconds before retry number `retry`: 1, 2, 4, 8, 8, … less up to a quarter."""
    return min(_INITIAL_DELAY * 2.0**retry, _MAX_DELAY) * (1 - _JITTER * random.random())  # noqa: S311


def full_jitter(retry: int) -> float:
    """Return seconds between 0 and 1, 2, 4, …, 30, so that clients lost at once do not return at once."""
    return min(_INITIAL_DELAY * 2.0 ** min(retry, 16), _MAX_JITTER) * random.random()  # noqa: S311


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of Retry-After, which is a number or a date."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime  # rarely needed, slow to import

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):  # not a date, or one out of range
        return None
