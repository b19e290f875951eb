"""What all workers of the server do: their running turns, and the figures of the last hour.

A worker writes its own to files of its slot every second, and reads those of the others when it is requested.
A process that is the whole server needs no files.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from headrace.limits import Admission
from headrace.limits.admission import AdmittedRun
from headrace.server.admin.figures import MINUTES, Figures, Hour, Row, added
from headrace.server.metrics import Slot
from headrace.server.metrics.slots import RUNNING
from headrace.turns import TurnOutcome

__all__ = ["Activity", "RunningTurn"]

T = TypeVar("T")

_INTERVAL: Final = 1.0  # seconds
_MAX_TURNS: Final = 200  # that are listed: those that have run longest
_HOUR: Final = "hour-"


class RunningTurn(msgspec.Struct, frozen=True):
    """A turn that runs or waits.

    Args:
        id: of the turn.
        model: its canonical name.
        key: the id of the caller's API key; "" without one.
        state: `running`, or `waiting` for a limit.
        seconds: since it began to wait or to run.
    """

    id: str
    model: str
    key: str
    state: str
    seconds: float


class Activity:
    """The activity of the server; an observer of turns.

    Args:
        admission: knows what runs and waits in this process.
        slot: that of this worker; None if the process is the whole server.
    """

    def __init__(self, admission: Admission, slot: Slot | None = None) -> None:
        self._admission = admission
        self._slot = slot
        self._hour = Hour(_read(slot.file(_HOUR), list[Row]) or () if slot else ())
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Let the other workers know of this one from now on."""
        if self._slot is not None:
            self._task = asyncio.create_task(self._run(self._slot), name="activity")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._slot is not None:
            await self.save(self._slot)

    def finished(self, outcome: TurnOutcome) -> None:
        """Observe a turn."""
        self._hour.finished(outcome)

    async def state(self, now: float) -> dict[str, Any]:
        """Return what the page shows; `now` is in seconds since 1970."""
        return await asyncio.to_thread(self._state, now, self._running(), self._hour.rows())

    def _state(self, now: float, turns: list[RunningTurn], rows: list[Row]) -> dict[str, Any]:
        """Add what the other workers do."""
        if self._slot is not None:
            turns += [turn for each in _read_all(self._slot, RUNNING, list[RunningTurn]) for turn in each]
            rows += [row for each in _read_all(self._slot, _HOUR, list[Row]) for row in each]
        turns.sort(key=lambda turn: -turn.seconds)
        minute = int(now // 60)
        return {
            "now": now,
            "running": sum(turn.state == "running" for turn in turns),
            "waiting": sum(turn.state == "waiting" for turn in turns),
            "turns": turns[:_MAX_TURNS],
            "minutes": [
                {"start": 60 * each, **_encode(row.figures for row in rows if row.minute == each)}
                for each in range(minute - MINUTES + 1, minute + 1)
            ],
            "models": _grouped((row.model, row.figures) for row in rows),
            "keys": _grouped((row.key, row.figures) for row in rows if row.key),
        }

    def _running(self) -> list[RunningTurn]:
        now = asyncio.get_running_loop().time()

        def turns(runs: Iterable[AdmittedRun], state: str) -> Iterator[RunningTurn]:
            for run in runs:
                yield RunningTurn(run.id, run.model, run.owner, state, round(now - run.entered, 3))

        return [*turns(self._admission.running, "running"), *turns(self._admission.waiting, "waiting")]

    async def save(self, slot: Slot) -> None:
        """Write what this worker does to the files of its slot."""
        running, rows = msgspec.json.encode(self._running()), msgspec.json.encode(self._hour.rows())
        await asyncio.to_thread(_write, slot.file(RUNNING), running)
        await asyncio.to_thread(_write, slot.file(_HOUR), rows)

    async def _run(self, slot: Slot) -> None:
        while True:
            await self.save(slot)
            await asyncio.sleep(_INTERVAL)


def _grouped(named: Iterable[tuple[str, Figures]]) -> list[dict[str, Any]]:
    """Add up figures by name; those with the most turns first."""
    by_name: dict[str, Figures] = {}
    for name, figures in named:
        by_name.setdefault(name, Figures()).add(figures)
    ordered = sorted(by_name.items(), key=lambda item: -item[1].turns)
    return [{"name": name, **_encode([figures])} for name, figures in ordered]


def _encode(figures: Iterable[Figures]) -> dict[str, Any]:
    total = added(figures)
    mean = total.first_token_seconds / total.answered if total.answered else None
    return {**msgspec.structs.asdict(total), "first_token_seconds": mean}


def _write(path: Path, encoded: bytes) -> None:
    """Replace a file, so that no reader sees a part of it."""
    new = path.with_suffix(".new")
    new.write_bytes(encoded)
    new.replace(path)


def _read_all(slot: Slot, prefix: str, type: type[T]) -> list[T]:
    """Return what the other workers have written."""
    found = (_read(path, type) for path in slot.other_files(prefix))
    return [each for each in found if each is not None]


def _read(path: Path, type: type[T]) -> T | None:
    """Return what a worker has written; None if it has not yet, or is being replaced."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=type)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
