"""Starts the workers, and a new one for each that has ended. Nothing else ends a worker but its exit.

A supervisor that checks whether its workers respond would kill them while they load a model, or while the
machine is busy, and with them all their streams. A worker that stands still loses the leases of its turns,
and nothing more.

Each listening socket has a worker that accepts its connections; while that one is not ready, another one
does. The sockets are the supervisor's, so what a dead worker has not accepted is not lost.
"""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Final

from headrace.configuration.reload import LiveConfiguration
from headrace.errors import EngineError, RequestError
from headrace.server.listening import start_listening
from headrace.server.metrics.slots import clear_gauges
from headrace.server.signals import on_hangup
from headrace.server.workers.child import Child
from headrace.server.workers.messages import Accept, Reload, Start
from headrace.server.workers.private_store import has_private_store

__all__ = ["Supervisor"]

_LOGGER: Final = logging.getLogger("headrace.workers")
_MOST_EARLY_DEATHS: Final = 3  # of one worker in a row, if no other one is ready
_FIRST_DELAY: Final = 0.5  # seconds until a new worker is started; doubles
_MAX_DELAY: Final = 10.0
_LONG_LIFE: Final = 10.0  # seconds after which the delay is the first one again
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
"""What the workers get for the first, second and third signal: drain, hurry, and the end."""


class Supervisor:
    """Runs workers until a signal.

    Args:
        command: starts a worker; descriptors are appended, that of its connection and those of the listeners.
        listeners: one for each worker, or one for all.
        live: the configuration, which is read again at SIGHUP.
        directory: of this supervisor and its workers only.
        url: where the server listens.
        announce: called with the banner when the first worker is ready, and again when all are.
    """

    def __init__(
        self,
        command: Sequence[str],
        listeners: Sequence[socket.socket],
        live: LiveConfiguration,
        *,
        directory: Path,
        url: str,
        announce: Callable[[str], None],
    ) -> None:
        self._command = command
        self._listeners = listeners
        self._live = live
        self._directory = directory
        self._url = url
        self._announce = announce
        self._number = live.value.settings.workers
        self._children: dict[int, Child] = {}  # by slot
        self._never_ready = set(range(self._number))
        self._signals: list[int] = []  # received
        self._end = asyncio.Event()
        self._failure = ""

    async def run(self) -> int:
        """Run until all workers have ended; return the first signal.

        Raises:
            EngineError: no worker can serve.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._handle, number)
        on_hangup(
            lambda: loop.call_soon_threadsafe(self._reload),
            lambda: loop.call_soon_threadsafe(self._handle, signal.SIGTERM),
        )
        async with asyncio.TaskGroup() as group:
            for slot in range(self._number):
                group.create_task(self._keep(slot), name=f"worker {slot}")
        if self._failure:
            raise EngineError(self._failure)
        return self._signals[0]

    async def _keep(self, slot: int) -> None:
        """Run a worker, and a new one after each that has ended."""
        loop = asyncio.get_running_loop()
        delay = _FIRST_DELAY
        early_deaths = 0
        while not self._end.is_set():
            began = loop.time()
            reason, was_ready = await self._run_worker(slot)
            if self._end.is_set():
                return
            early_deaths = 0 if was_ready else early_deaths + 1
            if early_deaths >= _MOST_EARLY_DEATHS and not self._ready():
                self._failure = f"a worker ended {early_deaths} times before it could serve: {reason}"
                self._handle(signal.SIGTERM)
                return
            if loop.time() - began >= _LONG_LIFE:
                delay = _FIRST_DELAY
            _LOGGER.error("worker %d: %s; a new one starts in %g s", slot, reason, delay)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._end.wait()
            delay = min(2 * delay, _MAX_DELAY)

    async def _run_worker(self, slot: int) -> tuple[str, bool]:
        """Run a worker to its end; return how it has ended, and whether it was ever ready."""
        try:
            child = await self._start(slot)
        except OSError as error:
            return f"cannot be started: {error.strerror}", False
        reason = await child.wait(lambda: self._changed(slot))
        del self._children[slot]
        clear_gauges(self._directory, slot)
        self._spread()
        return reason, child.was_ready

    async def _start(self, slot: int) -> Child:
        """Start a worker, which gets its configuration."""
        ours, theirs = Pipe()
        descriptors = [theirs.fileno(), *(listener.fileno() for listener in self._listeners)]
        variables = {"HEADRACE_WORKER_SLOT": str(slot), "HEADRACE_WORKERS_DIR": str(self._directory)}
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *map(str, descriptors),
            pass_fds=descriptors,
            env=os.environ | variables,
            process_group=0,  # Ctrl-C is for the supervisor alone
        )
        theirs.close()
        child = self._children[slot] = Child(process, ours)
        child.send(Start(self._live.value, self._url, self._has_private_store))
        if self._end.is_set():
            child.signal(signal.SIGTERM)
        return child

    def _changed(self, slot: int) -> None:
        """Handle the message of a worker that it is ready, or that it shuts down."""
        is_first = len(self._never_ready) == self._number
        if is_first:
            try:
                start_listening(self._listeners)
            except RequestError as error:
                self._failure = error.message
                self._handle(signal.SIGTERM)
                return
        self._spread()
        if slot not in self._never_ready:
            return
        if is_first:
            note = "; the store is removed in the end" if self._has_private_store else ""
            self._announce(f"{self._children[slot].banner}\n  workers   {self._number}{note}")
        self._never_ready.remove(slot)
        if not self._never_ready:
            self._announce(f"headrace: {self._number} workers are ready")

    def _ready(self) -> list[int]:
        """Return the slots of the workers that should accept connections."""
        ready = [slot for slot, child in self._children.items() if child.was_ready]
        if self._end.is_set():
            return ready
        return [slot for slot in ready if not self._children[slot].is_leaving] or ready

    def _spread(self) -> None:
        """Let each listening socket have its worker, or another one while that one does not serve."""
        ready = self._ready()
        listeners = range(len(self._listeners))
        if len(listeners) == 1:
            of_slot = dict.fromkeys(ready, frozenset(listeners))
        else:
            owners = [slot if slot in ready else ready[slot % len(ready)] for slot in listeners if ready]
            of_slot = {
                slot: frozenset(number for number in listeners if owners[number] == slot) for slot in ready
            }
        for slot, child in self._children.items():
            if child.was_ready:
                child.accept(Accept(of_slot.get(slot, frozenset())))

    @property
    def _has_private_store(self) -> bool:
        return has_private_store(self._live.value.settings, self._directory)

    def _reload(self) -> None:
        settings = self._live.reload()
        for child in self._children.values():
            child.send(Reload(settings))

    def _handle(self, number: int) -> None:
        """Handle a signal: end the workers, the more quickly the more signals came before."""
        self._signals.append(number)
        self._end.set()
        for child in self._children.values():
            child.signal(_SIGNALS[min(len(self._signals), len(_SIGNALS)) - 1])
