"""Table 3 of `turns.py`: a server on one core, and its clients. Also the program of that server.

python benchmarks/turns_server.py --store redis://… --port 8001
"""

import argparse
import os
import selectors
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from metronome import Metronome

from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, Model, ModelRegistry, Settings
from headrace.server.listening import listen
from headrace.server.local import run
from headrace.turns import TurnSettings

STREAMS = 200
RATE = 50
BODY = b'{"model":"glm-4.6","messages":[{"role":"user","content":"x"}],"stream":true}'
WARM_UP = 2.0


class Served(NamedTuple):
    """One run: share of a core, tokens and SSE events per second, milliseconds of delay."""

    core: float
    tokens: float
    events: float
    median: float
    p99: float


def measure_server(names: dict[str, str], seconds: float, rounds: int) -> None:
    """Print the table."""
    results: dict[str, list[Served]] = {label: [] for label in names}
    for _ in range(rounds):
        for label, name in names.items():
            results[label].append(_one_run(label, name, seconds))
    print(f"{STREAMS} SSE streams, {RATE}/s each, server on one core")
    print(f"{'':>10} {'core %':>7} {'tokens/s':>9} {'events/s':>9} {'median ms':>10} {'p99 ms':>8}")
    for label, runs in results.items():
        core, tokens, events, median, p99 = (statistics.median(values) for values in zip(*runs, strict=True))
        print(f"{label:>10} {core * 100:>7.0f} {tokens:>9.0f} {events:>9.0f} {median:>10.2f} {p99:>8.2f}")


def _one_run(label: str, name: str, seconds: float) -> Served:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = "memory" if label == "volatile" else name
    command = [sys.executable, __file__, "--store", store, "--port", str(port)]
    server = subprocess.Popen(command, cwd=Path(__file__).parent)
    try:
        _wait_for(port)
        return _read_streams(port, server.pid, seconds, resumable=label != "volatile")
    finally:
        server.kill()
        server.wait()


def _read_streams(port: int, pid: int, seconds: float, *, resumable: bool) -> Served:
    selector = selectors.DefaultSelector()
    header = b"X-Headrace-Resumable: 1\r\n" if resumable else b""
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"%bContent-Length: %d\r\n\r\n" % (header, len(BODY))
    )
    for _ in range(STREAMS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(head + BODY)
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ)
    _count(selector, WARM_UP)
    before = _cpu_seconds(pid)
    began = time.perf_counter()
    tokens, events, delays = _count(selector, seconds)
    took = time.perf_counter() - began
    core = (_cpu_seconds(pid) - before) / took
    for key in list(selector.get_map().values()):
        key.fileobj.close()
    delays.sort()
    p99 = delays[int(len(delays) * 0.99)]
    return Served(core, tokens / took, events / took, statistics.median(delays) / 1e6, p99 / 1e6)


def _count(selector: selectors.BaseSelector, seconds: float) -> tuple[int, int, list[int]]:
    """Count tokens and SSE events for so many seconds; also return their delays in nanoseconds."""
    tokens = events = 0
    delays: list[int] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key, _ in selector.select(0.1):
            data = key.fileobj.recv(65536)
            now = time.perf_counter_ns()
            if not data:
                msg = "the server closed a stream"
                raise RuntimeError(msg)
            for frame in data.split(b'"content":"')[1:]:
                stamps = frame.partition(b'"')[0].split()
                events += 1
                tokens += len(stamps)
                if stamps:
                    delays.append(now - int(stamps[0]))
    return tokens, events, delays


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    msg = "the server did not start"
    raise RuntimeError(msg)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    model = Model(("glm-4.6",), Metronome(RATE, pieces=10**9), FORMATS["glm-4.6"], ChatTemplate("x"))
    settings = Settings(port=arguments.port, turns=TurnSettings(store=arguments.store), shutdown_timeout=1)
    with listen(settings.host, settings.port) as listener:
        run(App(ModelRegistry([model]), settings), [listener], settings)


if __name__ == "__main__":
    main()
