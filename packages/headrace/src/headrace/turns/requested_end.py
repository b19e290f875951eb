"""Endings of a turn that are not its engine's."""

from typing import Final, NamedTuple

from headrace.errors import HeadraceError
from headrace.events import CANCELLED
from headrace.reached_limits import report_limit
from headrace.turns.outcome import OutcomeKind
from headrace.turns.takeover import DEADLY

__all__ = [
    "DELETED",
    "DISCONNECTED",
    "KILLED_ITS_SERVERS",
    "SHUTDOWN",
    "RequestedEnd",
    "orphaned",
    "oversized",
    "unsaved",
]

_BROKEN: Final = "network_error"


class RequestedEnd(NamedTuple):
    """An ending: of which kind, and the finish reason and error that are logged."""

    kind: OutcomeKind
    reason: str
    error: str = ""


KILLED_ITS_SERVERS: Final = RequestedEnd(OutcomeKind.INTERNAL_ERROR, _BROKEN, DEADLY)
DELETED: Final = RequestedEnd(OutcomeKind.CANCELLED, CANCELLED)
DISCONNECTED: Final = RequestedEnd(OutcomeKind.CLIENT_DISCONNECT, _BROKEN, "the client disconnected")
SHUTDOWN: Final = RequestedEnd(OutcomeKind.SHUTDOWN, _BROKEN, "the server is shutting down")


def orphaned(linger: float) -> RequestedEnd:
    """Return the ending of a turn that has had no reader for `linger` seconds."""
    return RequestedEnd(OutcomeKind.ORPHANED, _BROKEN, f"no reader for {linger:g} s")


def unsaved(error: HeadraceError) -> RequestedEnd:
    """Return the ending of a turn whose store has failed."""
    return RequestedEnd(OutcomeKind.STORE_ERROR, _BROKEN, error.public)


def oversized(turn: str) -> RequestedEnd:
    """Report a turn whose answer is too large, and return its ending."""
    report_limit("max_answer_size", f"the answer of turn {turn}")
    error = "the answer is larger than this server's max_answer_size"
    return RequestedEnd(OutcomeKind.LIMIT, _BROKEN, error)
