"""Tickets for the tests of limits."""

from itertools import count

from headrace.limits import KeyLimits, Ticket

__all__ = ["FIVE_HOURS", "MINUTE", "ticket"]

MINUTE = 60.0
FIVE_HOURS = 18_000.0

_numbers = count(1)


def ticket(id="", *, key="", user="", model="glm", prompt=10, answer=90, is_continued=False, **limits):
    """Return the ticket of a turn, by default of one with 100 tokens."""
    return Ticket(
        id=id or f"turn-{next(_numbers)}",
        key=key,
        user=user,
        model=model,
        prompt=prompt,
        answer=answer,
        limits=KeyLimits(**limits),
        is_continued=is_continued,
    )
