"""The series of a model, a key or a model's server, found once: every turn is observed in most of them."""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from headrace.engines.calls import Call
from headrace.events import TokenUsage
from headrace.server.metrics import table
from headrace.server.metrics.instruments import Histogram, Instruments
from headrace.server.metrics.table import Metric
from headrace.turns import OutcomeKind, TurnOutcome
from headrace.turns.outcome import kind_of, kind_of_reason

__all__ = ["CallSeries", "KeySeries", "TurnSeries"]

T = TypeVar("T")

_TOKEN_KINDS: Final = ("prompt", "cached", "completion", "reasoning")  # the values of the label `kind`


class _ByKind(dict[OutcomeKind, T]):
    """Instruments by the label `outcome`, each of which exists from its first use on."""

    def __init__(self, find: Callable[[OutcomeKind], T]) -> None:
        self._find = find

    def __missing__(self, kind: OutcomeKind) -> T:
        found = self[kind] = self._find(kind)
        return found


class TurnSeries:
    """What is observed of the turns of a model. All series exist from the start.

    Args:
        instruments: of the process.
        model: the label.
        is_relayed: whether the model runs on other servers.
    """

    def __init__(self, instruments: Instruments, model: str, *, is_relayed: bool) -> None:
        self._durations = _ByKind(partial(instruments.histogram, table.REQUEST_DURATION, model))
        _ = self._durations[OutcomeKind.STOP]
        self._queue = instruments.histogram(table.QUEUE, model)
        self._first_token = instruments.histogram(table.FIRST_TOKEN, model)
        self._output_token = instruments.histogram(table.OUTPUT_TOKEN, model)
        self._stall = instruments.histogram(table.STALL, model)
        self._cancel_latency = instruments.histogram(table.CANCEL_LATENCY, model)
        self._intervals = [instruments.histogram(table.INTER_DELTA, model)]
        if is_relayed:
            self._intervals.append(instruments.histogram(table.CALL_CHUNK, model))
        self._tokens = _Tokens(instruments, table.TOKENS, model)
        self._taken_over = instruments.counter(table.TAKEN_OVER, model)
        self._truncated = instruments.counter(table.TRUNCATED, model)

    def finished(self, outcome: TurnOutcome) -> None:
        """Observe a turn."""
        kind, intervals, first = outcome.kind, outcome.intervals, outcome.first_token_seconds
        self._durations[kind].observe(outcome.seconds)
        self._queue.observe(outcome.queue_seconds)
        if not intervals.are_empty:
            self._stall.observe(intervals.longest)
            counts = intervals.counts
            for histogram in self._intervals:
                histogram.add(counts, intervals.total)
        if kind.is_success and first is not None:
            self._first_token.observe(first)
            if outcome.usage.completion > 1:
                self._output_token.observe((outcome.seconds - first) / (outcome.usage.completion - 1))
        if outcome.stop_seconds is not None:
            self._cancel_latency.observe(outcome.stop_seconds)
        if outcome.was_taken_over:
            self._taken_over.add()
        if _is_truncated(outcome):
            self._truncated.add()
        self._tokens.add(outcome.usage)


class KeySeries:
    """What is observed of the turns of an API key.

    Args:
        instruments: of the process.
        key: the label.
    """

    def __init__(self, instruments: Instruments, key: str) -> None:
        self._turns = _ByKind(partial(instruments.counter, table.KEY_TURNS, key))
        self._tokens = _Tokens(instruments, table.KEY_TOKENS, key)

    def finished(self, outcome: TurnOutcome) -> None:
        """Observe a turn."""
        self._turns[outcome.kind].add()
        self._tokens.add(outcome.usage)


class CallSeries:
    """What is observed of the calls of a model's server.

    Args:
        instruments: of the process.
        model: a label.
        upstream: another one.
    """

    def __init__(self, instruments: Instruments, model: str, upstream: str) -> None:
        self._durations = _ByKind(partial(instruments.histogram, table.CALL_DURATION, model, upstream))
        self._find_first_chunk = partial(instruments.histogram, table.CALL_FIRST_CHUNK, model, upstream)
        self._first_chunk: Histogram | None = None  # until the first one

    def ended(self, call: Call) -> None:
        """Observe a call."""
        self._durations[_kind_of_call(call)].observe(call.seconds)
        if call.first_chunk_seconds is not None:
            if self._first_chunk is None:
                self._first_chunk = self._find_first_chunk()
            self._first_chunk.observe(call.first_chunk_seconds)


class _Tokens:
    """Tokens of turns, by their kind."""

    def __init__(self, instruments: Instruments, metric: Metric, label: str) -> None:
        counters = [instruments.counter(metric, label, kind) for kind in _TOKEN_KINDS]
        self._prompt, self._cached, self._completion, self._reasoning = counters

    def add(self, usage: TokenUsage) -> None:
        if usage.prompt:
            self._prompt.add(usage.prompt)
        if usage.cached:
            self._cached.add(usage.cached)
        if usage.completion:
            self._completion.add(usage.completion)
        if usage.reasoning:
            self._reasoning.add(usage.reasoning)


def _kind_of_call(call: Call) -> OutcomeKind:
    if call.error is not None:
        return kind_of(call.error)
    return kind_of_reason(call.finish_reason) if call.finish_reason else OutcomeKind.CANCELLED


def _is_truncated(outcome: TurnOutcome) -> bool:
    """Return whether a client has got the beginning of an answer whose rest is missing."""
    has_left = outcome.kind.is_cancellation and outcome.kind is not OutcomeKind.SHUTDOWN
    return outcome.finish_reason == "network_error" and not has_left
