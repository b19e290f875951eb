"""The outcome of a turn: how it ended, for metrics, logs and billing.

The process that produced the ending builds the outcome, once; followers do not. A turn that another process
took over therefore has one outcome across all servers. If the store fails for longer than its retry timeout,
two processes may each end the turn, and each reports its own ending.
"""

import enum
from typing import Final, Protocol, Self

import msgspec

from headrace.errors import (
    AccessError,
    DisconnectError,
    HeadraceError,
    IncompleteError,
    LimitError,
    RequestError,
    ShutdownError,
    UnreachableError,
)
from headrace.events import TokenUsage
from headrace.turns.intervals import Intervals
from headrace.turns.store import GoneError, StoreError

__all__ = [
    "OutcomeKind",
    "Result",
    "TurnObserver",
    "TurnOutcome",
    "kind_of",
    "kind_of_reason",
]


class Result(enum.StrEnum):
    """What an outcome means for the operator."""

    SUCCESS = "success"
    """The model has ended the answer."""
    CANCELLATION = "cancellation"
    """The answer was ended, although nothing had failed."""
    FAILURE = "failure"


class OutcomeKind(enum.StrEnum):
    """How a turn ended, in one word, which metrics, log lines and spans share.

    A refused request that started no turn has one as well: see `kind_of`.
    """

    result: Result
    meaning: str
    is_success: bool
    """Whether the model ended the answer."""
    is_cancellation: bool
    """Whether the answer was ended although nothing had failed."""

    def __new__(cls, word: str, result: Result, meaning: str) -> Self:
        """Create a member: its word, what it is, and when a turn ends so."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.result = result
        member.meaning = meaning
        member.is_success = result is Result.SUCCESS
        member.is_cancellation = result is Result.CANCELLATION
        return member

    STOP = "stop", Result.SUCCESS, "The model ended its answer."
    TOOL_CALLS = "tool_calls", Result.SUCCESS, "The model called tools."
    LENGTH = "length", Result.SUCCESS, "`max_tokens` was reached."
    CONTEXT_WINDOW = "model_context_window_exceeded", Result.SUCCESS, "The context was full."
    SENSITIVE = "sensitive", Result.SUCCESS, "The model's server withheld the rest of the answer."
    OTHER = "other", Result.SUCCESS, "The model's server gave a reason that the API does not have."
    CANCELLED = "cancelled", Result.CANCELLATION, "The client sent `DELETE`."
    CLIENT_DISCONNECT = "client_disconnect", Result.CANCELLATION, "The client disconnected."
    ORPHANED = "orphaned", Result.CANCELLATION, "A resumable turn had no reader for `--linger` seconds."
    SHUTDOWN = (
        "shutdown",
        Result.CANCELLATION,
        "The server was shut down, and no other one could continue the turn.",
    )
    REJECTED = "rejected", Result.FAILURE, "The request, or its API key, is not valid."
    LIMIT = "limit", Result.FAILURE, "A limit was reached, or the model's server is busy."
    ENGINE_UNREACHABLE = "engine_unreachable", Result.FAILURE, "The model's server cannot be connected to."
    ENGINE_INCOMPLETE = "engine_incomplete", Result.FAILURE, "The model's server ended its response early."
    ENGINE_TIMEOUT = "engine_timeout", Result.FAILURE, "The model was silent, or took too long."
    ENGINE_ERROR = "engine_error", Result.FAILURE, "The model, its server or its library failed otherwise."
    STORE_ERROR = "store_error", Result.FAILURE, "The turn store failed, or lost the turn."
    INTERNAL_ERROR = "internal_error", Result.FAILURE, "A defect of this server; its log has the details."


_KIND_OF_CLASS: Final[tuple[tuple[type[HeadraceError], OutcomeKind], ...]] = (  # the first that matches
    (StoreError, OutcomeKind.STORE_ERROR),
    (GoneError, OutcomeKind.STORE_ERROR),
    (UnreachableError, OutcomeKind.ENGINE_UNREACHABLE),
    (IncompleteError, OutcomeKind.ENGINE_INCOMPLETE),
    (ShutdownError, OutcomeKind.SHUTDOWN),
    (LimitError, OutcomeKind.LIMIT),
    (DisconnectError, OutcomeKind.CLIENT_DISCONNECT),
    (RequestError, OutcomeKind.REJECTED),
    (AccessError, OutcomeKind.REJECTED),
)
_KIND_OF_REASON: Final = {
    **{str(kind): kind for kind in OutcomeKind if kind.is_success},
    "network_error": OutcomeKind.ENGINE_ERROR,
}
_DEFECTS: Final = frozenset({"500", "1230"})  # error codes


def kind_of_reason(finish_reason: str) -> OutcomeKind:
    """Return how an answer has ended whose model's server reports this reason."""
    return _KIND_OF_REASON.get(finish_reason, OutcomeKind.OTHER)


def kind_of(error: HeadraceError) -> OutcomeKind:
    """Return how a turn has ended that has failed, or a request that has not become one."""
    if error.code in _DEFECTS:
        return OutcomeKind.INTERNAL_ERROR
    if error.status == 504:
        return OutcomeKind.ENGINE_TIMEOUT
    kinds = (kind for type_, kind in _KIND_OF_CLASS if isinstance(error, type_))
    return next(kinds, OutcomeKind.ENGINE_ERROR)


class TurnOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a turn ended.

    Args:
        id: of the turn.
        owner: id of the caller's API key; "" if the server has no keys.
        model: the model's canonical name; "" if this process does not serve the model.
        kind: how it ended, in one word.
        finish_reason: as the client receives it; `error` if the response was an error instead of an answer.
        usage: tokens, including reasoning tokens.
        error: why the turn failed; "" if it did not.
        code: its error code, one of `STATUS_OF_CODE`; "" if there is none.
        seconds: from the creation of the turn until its ending was readable.
        first_token_seconds: until the first event of the answer; None if there is none, or if another process
            produced it.
        queue_seconds: of these, how long the turn waited in a queue before its engine started.
        intervals: between the deltas that this process has generated, without pauses for a slow client. What
            an engine emits together is one delta.
        was_taken_over: whether this process has continued the answer of another one.
        stop_seconds: how long the engine took to stop after the cancellation; None if no engine was stopped
            here.
    """

    id: str
    owner: str
    model: str
    kind: OutcomeKind
    finish_reason: str
    usage: TokenUsage
    error: str = ""
    code: str = ""
    seconds: float
    first_token_seconds: float | None = None
    queue_seconds: float = 0.0
    intervals: Intervals = msgspec.field(default_factory=Intervals)
    was_taken_over: bool = False
    stop_seconds: float | None = None


class TurnObserver(Protocol):
    """A receiver of outcomes."""

    def finished(self, outcome: TurnOutcome) -> None:
        """Handle the outcome of a turn. Called in the event loop, so it must not block."""
        ...
