"""The series of the turns of a model or a key, found once: every turn is observed in most of them."""

from headrace.server.metrics import table
from headrace.server.metrics.instruments import Counter, Histogram, Instruments
from headrace.server.metrics.table import Metric
from headrace.turns import OutcomeKind, TurnOutcome

__all__ = ["KeySeries", "TurnSeries"]

_TOKEN_KINDS = ("prompt", "cached", "completion", "reasoning")  # the values of the label `kind`


class TurnSeries:
    """What is observed of the turns of a model. All series exist from the start.

    Args:
        instruments: of the process.
        model: the label.
        is_relayed: whether the model runs on other servers.
    """

    def __init__(self, instruments: Instruments, model: str, *, is_relayed: bool) -> None:
        self._instruments = instruments
        self._model = model
        self._durations: dict[OutcomeKind, Histogram] = {}
        self._duration(OutcomeKind.STOP)
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
        self._duration(kind).observe(outcome.seconds)
        self._queue.observe(outcome.queue_seconds)
        if any(counts := intervals.counts):
            self._stall.observe(intervals.longest)
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
        self._tokens.add(outcome)

    def _duration(self, kind: OutcomeKind) -> Histogram:
        found = self._durations.get(kind)
        if found is None:
            found = self._instruments.histogram(table.REQUEST_DURATION, self._model, kind)
            self._durations[kind] = found
        return found


class KeySeries:
    """What is observed of the turns of an API key.

    Args:
        instruments: of the process.
        key: the label.
    """

    def __init__(self, instruments: Instruments, key: str) -> None:
        self._instruments = instruments
        self._key = key
        self._turns: dict[OutcomeKind, Counter] = {}
        self._tokens = _Tokens(instruments, table.KEY_TOKENS, key)

    def finished(self, outcome: TurnOutcome) -> None:
        """Observe a turn."""
        kind = outcome.kind
        if kind not in self._turns:
            self._turns[kind] = self._instruments.counter(table.KEY_TURNS, self._key, kind)
        self._turns[kind].add()
        self._tokens.add(outcome)


class _Tokens:
    """Tokens of turns, by their kind."""

    def __init__(self, instruments: Instruments, metric: Metric, label: str) -> None:
        self._counters = [instruments.counter(metric, label, kind) for kind in _TOKEN_KINDS]

    def add(self, outcome: TurnOutcome) -> None:
        usage = outcome.usage
        numbers = usage.prompt, usage.cached, usage.completion, usage.reasoning
        for counter, number in zip(self._counters, numbers, strict=True):
            if number:
                counter.add(number)


def _is_truncated(outcome: TurnOutcome) -> bool:
    """Return whether a client has got the beginning of an answer whose rest is missing."""
    has_left = outcome.kind.is_cancellation and outcome.kind is not OutcomeKind.SHUTDOWN
    return outcome.finish_reason == "network_error" and not has_left
