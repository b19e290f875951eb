"""One line in the log for each request, as soon as its response and its turn are over.

    the response is over ──┐
                           ├──▶ request: method, path, status, turn, key, model, outcome, times, tokens …
    the turn is over ──────┘
    a turn that another process began ──▶ turn: the same, without method, path and status

A request that starts no turn, such as one that is rejected or that resumes a turn, has its line when its
response is over. Nothing is logged for a chunk. Queries, other headers than those that are listed here, and
paths that the server does not have are never logged; messages and answers only on request.
"""

import logging
import time
from typing import Any, Final

from headrace.errors import DisconnectError, HeadraceError
from headrace.server.connection import HttpConnection
from headrace.telemetry.contents import answer_of, messages_of, tools_of
from headrace.trace_context import TraceContext
from headrace.turns import OutcomeKind, ProducedTurn, TurnOutcome
from headrace.turns.observers import HANDED_OVER
from headrace.turns.outcome import Result, kind_of

__all__ = ["RequestLog", "log_unread"]

_LOGGER: Final = logging.getLogger("headrace.requests")
_PROBES: Final = frozenset({"/health", "/healthz", "/readyz", "/metrics", "/admin.json"})
_EXPECTED: Final = (OutcomeKind.REJECTED, OutcomeKind.LIMIT)
_FAILURES: Final = frozenset(
    str(kind) for kind in OutcomeKind if kind.result is Result.FAILURE and kind not in _EXPECTED
)
_STANDARD: Final = {
    level: {"name": _LOGGER.name, "levelno": level, "levelname": logging.getLevelName(level)}
    for level in (logging.DEBUG, logging.INFO, logging.WARNING)
}

Fields = dict[str, Any]


class _Pair:
    """A turn and the request that has started it, until both are over."""

    __slots__ = ("outcome", "request", "trace", "turn")

    def __init__(self, turn: ProducedTurn, request: Fields | None, *, keeps_turn: bool) -> None:
        self.turn = turn if keeps_turn else None
        self.trace = turn.trace
        self.request = request
        self.outcome: Fields | None = None


class RequestLog:
    """Writes the lines; an observer of what this process produces. A field without a value is None.

    Args:
        contents: whether lines have messages, tools and answers, and why a request was rejected.
    """

    def __init__(self, *, contents: bool) -> None:
        self._contents = contents
        self._pairs: dict[str, _Pair] = {}

    def end(self, connection: HttpConnection, path: str) -> None:
        """Note that a response is over.

        Args:
            connection: of the request.
            path: its path, as a template.
        """
        level = logging.DEBUG if path in _PROBES else logging.INFO
        fields = self._of_request(connection, path)
        if (pair := self._pairs.get(connection.started_turn)) is None:
            _write("request", fields, level)
            return
        pair.request = fields
        if pair.outcome is not None:
            self._write_both(connection.started_turn, fields, pair.outcome, pair.trace)

    # --- as an observer ---------------------------------------------------------------------------------

    def started(self, turn: ProducedTurn, fence: int, previous: int) -> None:  # noqa: ARG002
        request: Fields | None = {} if previous else None  # of a turn that was taken over: another process's
        self._pairs[turn.id] = _Pair(turn, request, keeps_turn=self._contents)

    def left(self, turn: ProducedTurn) -> None:
        if (pair := self._pairs.get(turn.id)) is None:
            return
        pair.outcome = {"turn": turn.id, "key": turn.header.owner or None, "outcome": HANDED_OVER}
        if pair.request is not None:
            self._write_both(turn.id, pair.request, pair.outcome, pair.trace)

    def finished(self, outcome: TurnOutcome) -> None:
        if (pair := self._pairs.get(outcome.id)) is None:
            return
        pair.outcome = self._of_outcome(outcome)
        if pair.turn is not None:
            pair.outcome |= _contents(pair.turn)
        if pair.request is not None:
            self._write_both(outcome.id, pair.request, pair.outcome, pair.trace)

    def _write_both(self, turn: str, request: Fields, outcome: Fields, trace: TraceContext | None) -> None:
        """Write the line of a turn and its request; of another process's, there are no fields."""
        del self._pairs[turn]
        fields = request | outcome
        if trace is not None and trace.parent:
            fields["trace"] = trace.trace_id
        _write("request" if request else "turn", fields)

    # --- fields -----------------------------------------------------------------------------------------

    def _of_request(self, connection: HttpConnection, path: str) -> Fields:
        error = connection.take_error()
        return {
            "method": connection.method,
            "path": path,
            "status": connection.status or _status_of(error),
            "turn": connection.turn or None,
            "request_id": connection.request_id if error is not None and not connection.turn else None,
            "key": connection.owner or None,
            **_of_error(error),
            "error": error.message if error is not None and self._contents else None,
            "seconds": round(time.monotonic() - connection.began, 4),
            "client": connection.client or None,
            "client_request_id": connection.client_id or None,
            "trace": (connection.trace and connection.trace.trace_id) or None,
        }

    def _of_outcome(self, outcome: TurnOutcome) -> Fields:
        usage, kind, first = outcome.usage, outcome.kind, outcome.first_token_seconds
        fields: Fields = {
            "turn": outcome.id,
            "key": outcome.owner or None,
            "model": outcome.model or None,
            "outcome": str(kind),
            "finish_reason": outcome.finish_reason,
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "cached_tokens": usage.cached or None,
            "reasoning_tokens": usage.reasoning or None,
            "turn_seconds": round(outcome.seconds, 4),
            "queue_seconds": round(outcome.queue_seconds, 4) or None,
            "ttft_seconds": first and round(first, 4),
            "longest_stall_seconds": round(outcome.intervals.longest, 4) or None,
            "was_taken_over": outcome.was_taken_over or None,
        }
        if outcome.code:  # otherwise the request may have one
            fields["code"] = outcome.code
        if outcome.error and (kind is not OutcomeKind.REJECTED or self._contents):
            fields["error"] = outcome.error
        return fields


def log_unread(error: HeadraceError, client: str, request_id: str) -> None:
    """Log a request whose head could not be read."""
    fields = {"status": error.status, "request_id": request_id, **_of_error(error), "client": client or None}
    _write("request", fields)


def _write(event: str, fields: Fields, level: int = logging.INFO) -> None:
    """Write a line; one whose outcome is a failure of this server or of the model's is a warning."""
    if fields.get("outcome") in _FAILURES:
        level = logging.WARNING
    if _LOGGER.isEnabledFor(level):
        # What `_LOGGER.log` does, without a comparison of each name with those that a record has.
        _LOGGER.handle(logging.makeLogRecord({**_STANDARD[level], "msg": event, **fields}))


def _of_error(error: HeadraceError | None) -> Fields:
    return {} if error is None else {"outcome": str(kind_of(error)), "code": error.code}


def _status_of(error: HeadraceError | None) -> int | None:
    """Return the status of an error that the connection has sent; one that disconnected gets none."""
    return None if error is None or isinstance(error, DisconnectError) else error.status


def _contents(turn: ProducedTurn) -> Fields:
    return {
        "messages": messages_of(turn.request),
        "tools": tools_of(turn.request) or None,
        "answer": answer_of(turn),
    }
