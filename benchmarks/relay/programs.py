"""Programs pinned to a core: starting them, their CPU time and memory, and stopping them."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["CpuTime", "Program", "busy_seconds", "cores", "free_port", "pinned"]

_STOP_SECONDS: Final = 5.0
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PAGE_SIZE: Final = os.sysconf("SC_PAGE_SIZE")


class CpuTime(NamedTuple):
    """Seconds on a CPU so far, in user and system mode.

    `threads` is exact but lacks the threads that have ended; `processes` has them, in units of 10 ms.
    """

    threads: float
    processes: float

    def since(self, before: "CpuTime") -> float:
        """Return the seconds between the two: the exact ones, unless threads have ended meanwhile."""
        threads, processes = self.threads - before.threads, self.processes - before.processes
        return processes if processes > 1.03 * threads + 0.02 else threads


class Program:
    """A running program in a process group of its own, pinned to a core.

    Args:
        command: what to run.
        core: where.
        folder: its working directory; its output goes to `output.log` there.
        environment: variables besides those of this process; proxies and Headrace's options are left out.
    """

    def __init__(
        self, command: Sequence[str], *, core: int, folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "output.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                pinned(command, core),
                cwd=folder,
                env={**_inherited(), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def id(self) -> int:
        """The process id; `taskset` replaces itself by the program."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the program has exited."""
        return self._process.poll() is not None

    @property
    def output(self) -> str:
        """The end of what it has printed."""
        return self._log.read_text(errors="replace")[-1000:]

    def cpu(self) -> CpuTime:
        """Return the CPU time of all its processes."""
        threads = processes = 0.0
        for folder in self._processes():
            with contextlib.suppress(OSError):  # it has ended
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                processes += (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
                for file in folder.glob("task/*/schedstat"):
                    threads += int(file.read_text().split()[0]) / 1e9
        return CpuTime(threads, processes)

    def resident_bytes(self) -> int:
        """Return the resident memory of all its processes."""
        total = 0
        for folder in self._processes():
            with contextlib.suppress(OSError):
                total += int((folder / "statm").read_text().split()[1]) * _PAGE_SIZE
        return total

    def stop(self) -> None:
        """End the program and its children: with SIGTERM, after some seconds with SIGKILL."""
        for number, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)

    def _processes(self) -> Iterator[Path]:
        """Yield the folders in /proc of the program and its descendants."""
        waiting = [self._process.pid]
        while waiting:
            folder = Path("/proc", str(waiting.pop()))
            yield folder
            for file in folder.glob("task/*/children"):
                with contextlib.suppress(OSError):
                    waiting += map(int, file.read_text().split())


def pinned(command: Sequence[str], core: int) -> list[str]:
    """Return the command that runs another one on a core."""
    return ["taskset", "--cpu-list", str(core), *command]


def cores() -> tuple[int, int]:
    """Return the core for the tools and the one for what is measured; the same if there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1] if len(allowed) == 1 else allowed[1]


def busy_seconds(core: int) -> float:
    """Return the time for which a core was not idle, for any process, in units of 10 ms."""
    with Path("/proc/stat").open() as lines:
        fields = next(line.split()[1:] for line in lines if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _waiting, *interrupts_and_stolen = map(int, fields[:8])
    return (user + nice + system + sum(interrupts_and_stolen)) / _TICKS_PER_SECOND


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _inherited() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HEADRACE_") and not name.lower().endswith("_proxy")
    }
