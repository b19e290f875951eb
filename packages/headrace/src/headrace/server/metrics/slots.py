"""The files of metrics of a server's workers: one for each slot, not for each process.

A worker that replaces a dead one continues its file. So neither the number nor the size of files grows, and
counters never fall. Gauges of a dead worker are cleared by the supervisor, which sees its death, and by its
replacement. A slot has one process at a time: the supervisor starts the next one after the end of the last.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from headrace.configuration.overrides import WORKER_SLOT, WORKERS_DIR
from headrace.server.metrics.cells import Cells, open_cells, read_cells
from headrace.server.metrics.table import BY_NAME, Kind

__all__ = ["RUNNING", "Slot", "clear_gauges", "slot_of"]

RUNNING: Final = "running-"
"""The beginning of the names of files that have the running turns of a slot: gauges as well."""

_METRICS: Final = "metrics-"


class Slot(NamedTuple):
    """The place of a worker.

    Args:
        directory: private to the supervisor of the workers.
        number: from 0.
    """

    directory: Path
    number: int

    def open(self) -> Cells:
        """Open the numbers of this slot for writing; its gauges have no values yet."""
        cells = open_cells(self.file(_METRICS))
        _clear(cells)
        return cells

    def others(self) -> Iterator[Cells]:
        """Return the numbers of the other slots."""
        for path in self.other_files(_METRICS):
            if (cells := read_cells(path)) is not None:
                yield cells

    def file(self, prefix: str) -> Path:
        """Return the file of this slot whose name begins so."""
        return self.directory / f"{prefix}{self.number}"

    def other_files(self, prefix: str) -> list[Path]:
        """Return those of the other slots."""
        own = self.file(prefix)
        return [path for path in sorted(self.directory.glob(f"{prefix}*[0-9]")) if path != own]


def slot_of(environment: Mapping[str, str] = os.environ) -> Slot | None:
    """Return the slot of this process; None if it is not a worker of a supervisor."""
    directory, number = environment.get(WORKERS_DIR), environment.get(WORKER_SLOT)
    return Slot(Path(directory), int(number)) if directory and number else None


def clear_gauges(directory: Path, slot: int) -> None:
    """Remove the values of a slot's gauges, because its process has ended. Counters stay."""
    dead = Slot(directory, slot)
    dead.file(RUNNING).unlink(missing_ok=True)
    if dead.file(_METRICS).exists():
        _clear(open_cells(dead.file(_METRICS)))


def _clear(cells: Cells) -> None:
    for key, numbers in cells.items():
        metric = BY_NAME.get(json.loads(key)[0])
        if metric is not None and metric.kind is Kind.GAUGE:
            numbers[0] = math.nan
