"""What this process notes in its metrics: outcomes of turns, calls of models' servers, responses.

A turn is counted once, when it has ended, and a delta not at all: the turn itself has counted them
(docs/design/0020).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from headrace.configuration.groups import LIMITS as LIMIT_OPTIONS
from headrace.limits import Admission
from headrace.models import Model
from headrace.reached_limits import times_reached
from headrace.server.metrics import table
from headrace.server.metrics.cells import open_cells
from headrace.server.metrics.exposition import encode
from headrace.server.metrics.instruments import Counter as Number
from headrace.server.metrics.instruments import Instruments
from headrace.server.metrics.slots import Slot
from headrace.server.metrics.table import OTHER, Metric
from headrace.server.metrics.turns import CallSeries, KeySeries, TurnSeries
from headrace.turns import TurnOutcome

__all__ = ["Metrics"]

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MAX_KEYS: Final = 100  # with series of their own
_INTERVAL: Final = 0.5  # seconds after which gauges are true


class Metrics:
    """The server's metrics; an observer of turns and of calls.

    Args:
        models: the served ones, which have series from the start.
        admission: knows what runs and waits.
        slot: that of this worker; None if the process is the whole server.
    """

    def __init__(self, models: Sequence[Model], admission: Admission, slot: Slot | None = None) -> None:
        self._cells = slot.open() if slot else open_cells(None)
        self._slot = slot
        self._instruments = Instruments(self._cells)
        self._admission = admission
        self._turns = {
            model.names[0]: TurnSeries(self._instruments, model.names[0], is_relayed=bool(model.upstreams))
            for model in models
        }
        self._keys: dict[str, KeySeries] = {}
        self._responses: dict[tuple[str, str, int], Number] = {}
        self._upstreams = {
            (model.names[0], str(number)): upstream
            for model in models
            for number, upstream in enumerate(model.upstreams, 1)
        }
        self._pulled: list[tuple[Metric, str, Callable[[], int]]] = [
            *((table.LIMITS, option.name, partial(times_reached, option.name)) for option in LIMIT_OPTIONS),
            *(
                (table.REFUSED, code, partial(admission.refused.__getitem__, code))
                for code in admission.refused
            ),
        ]
        self._counted = [0] * len(self._pulled)
        self.store_errors: Callable[[], Sequence[str]] = list
        """Returns why each shard of the turn store is unavailable; "" if it is not."""
        self._task: asyncio.Task[None] | None = None
        for labels, upstream in self._upstreams.items():
            upstream.on_call = CallSeries(self._instruments, *labels).ended

    def open(self) -> None:
        """Keep gauges true for other workers, and measure the time that upstreams' deltas take."""
        if self._slot or self._upstreams:
            self._task = asyncio.create_task(self._run(), name="metrics")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def finished(self, outcome: TurnOutcome) -> None:
        """Observe a turn."""
        series = self._turns.get(outcome.model) or self._turns[self._model(outcome.model)]
        series.finished(outcome)
        if key := outcome.owner:
            (self._keys.get(key) or self._key(key)).finished(outcome)

    def responded(self, route: str, method: str, status: int) -> None:
        """Count a response; `route` is a template, and `status` 0 if the client has disconnected before."""
        method = method if method in _METHODS else OTHER
        counter = self._responses.get((route, method, status))
        if counter is None:
            counter = self._instruments.counter(table.RESPONSES, route, method, str(status or "none"))
            self._responses[route, method, status] = counter
        counter.add()

    def resumed(self) -> None:
        """Count a client that reads the rest of an answer."""
        self._instruments.counter(table.RESUMED).add()

    def saved(self, shard: str) -> Callable[[float], None]:
        """Return what observes a write to this shard of the turn store."""
        return self._instruments.histogram(table.STORE, shard).observe

    async def encode(self) -> bytes:
        """Encode the metrics of all workers in Prometheus' text format 0.0.4."""
        self._refresh()
        return await asyncio.to_thread(self._encode)

    def _encode(self) -> bytes:
        return encode([self._cells, *(self._slot.others() if self._slot else ())])

    async def _run(self) -> None:
        overhead = self._instruments.histogram(table.OVERHEAD)
        while True:
            self._refresh()
            for upstream in self._upstreams.values():
                upstream.measure(overhead.observe)
            await asyncio.sleep(_INTERVAL)

    def _refresh(self) -> None:
        """Note what others have counted."""
        for metric, runs in (
            (table.IN_FLIGHT, self._admission.running),
            (table.QUEUED, self._admission.waiting),
        ):
            numbers = Counter(dict.fromkeys(self._turns, 0))
            for run in runs:
                numbers[self._model(run.model)] += 1
            for model, number in numbers.items():
                self._instruments.gauge(metric, model).set(number)
        for labels, upstream in self._upstreams.items():
            self._instruments.gauge(table.UPSTREAM_UP, *labels).set(not upstream.is_failing)
        for number, error in enumerate(self.store_errors(), 1):
            self._instruments.gauge(table.STORE_UP, str(number)).set(not error)
        for number, (metric, label, count) in enumerate(self._pulled):
            counted, self._counted[number] = self._counted[number], count()
            self._instruments.counter(metric, label).add(self._counted[number] - counted)

    def _model(self, name: str) -> str:
        """Return the label of a model: its name, if it is served."""
        if name in self._turns:
            return name
        if OTHER not in self._turns:
            self._turns[OTHER] = TurnSeries(self._instruments, OTHER, is_relayed=False)
        return OTHER

    def _key(self, id: str) -> KeySeries:
        """Return the series of a key, which exists: its own, unless there are too many."""
        if id not in self._keys and len(self._keys) >= _MAX_KEYS:
            id = OTHER
        if id not in self._keys:
            self._keys[id] = KeySeries(self._instruments, id)
        return self._keys[id]
