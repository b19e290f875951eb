"""Limits that were reached: a count of each, and a warning in the server log at most once a minute for each.

A limit is an option whose description has `at_limit` (options.py). The counts belong to the process, as
Python's loggers do: connections, turns and engines reach limits without knowing the server.
"""

import logging
import time
from collections import Counter
from typing import Final

__all__ = ["count_limit", "report_limit", "times_reached"]

_LOG_INTERVAL: Final = 60.0  # seconds between two messages about a limit
_LOGGER: Final = logging.getLogger("headrace.limits")

_counts: Counter[str] = Counter()
_next_log: dict[str, float] = {}


def report_limit(option: str, reason: str) -> None:
    """Count that the limit of an option was reached, and log it.

    Args:
        option: its name, such as `max_async`.
        reason: what was too much.
    """
    count_limit(option)
    now = time.monotonic()
    if now >= _next_log.get(option, now):
        _next_log[option] = now + _LOG_INTERVAL
        _LOGGER.warning("limit --%s reached: %s", option.replace("_", "-"), reason)


def count_limit(option: str) -> None:
    """Count that a limit was reached which every client reaches in the end."""
    _counts[option] += 1


def times_reached(option: str) -> int:
    """Return how often this process has reached a limit."""
    return _counts[option]
