"""The scenarios: each is a function that measures a target, and the metrics that it returns."""

import socket
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from measuring import Bench, Measurement
from targets import Target
from tools import CHAT, Traffic

__all__ = ["SCENARIOS", "Metric", "Scenario"]

_FLOODED_STREAMS: Final = 20
_IDLE_STREAMS: Final = 1000
_REQUESTS: Final = 200
_ENDLESS: Final = 9_000_000  # deltas: more than any scenario reads
_STALL_SECONDS: Final = 4
_ABORT_SECONDS: Final = 6
_DISCONNECTS: Final = 10
_MB: Final = 1e6


@dataclass(frozen=True)
class Metric:
    """A figure that a scenario returns.

    Args:
        name: in the measurement.
        title: in the table.
        digits: number of decimals.
        is_ratio: whether it is compared with nginx.
        is_added: whether the figure of `direct` is subtracted.
    """

    name: str
    title: str
    digits: int = 0
    is_ratio: bool = False
    is_added: bool = False


_CPU: Final = Metric("cpu_us", "CPU µs per chunk", 2, is_ratio=True)
_RATE: Final = Metric("rate", "chunks/s")
_P99: Final = Metric("p99_ms", "p99 ms", 2, is_added=True)


@dataclass(frozen=True)
class Scenario:
    """A way of measuring a target.

    Args:
        title: in the table.
        measure: what measures.
        metrics: what the table shows of it.
        streams: that it opens; a target that cannot hold so many is left out.
        is_fresh: the target is started for it and stopped after it, because its memory is measured.
        needs_aborts: a target that continues without its clients is left out.
    """

    title: str
    measure: Callable[[Bench, Target], Measurement]
    metrics: tuple[Metric, ...]
    streams: int = 1
    is_fresh: bool = False
    needs_aborts: bool = False


def _flood(pace: str, title: str) -> Scenario:
    def measure(bench: Bench, target: Target) -> Measurement:
        events = bench.events_of_a_flood(target, pace, _FLOODED_STREAMS)
        bench.upstream.set_script(pace, events)
        return bench.load(target, Traffic(events, _FLOODED_STREAMS))

    return Scenario(title, measure, (_CPU, _RATE), _FLOODED_STREAMS)


def _paced(
    streams: int,
    *,
    pace: str = "paced",
    rate: float = 50,
    seconds: float = 3,
    interval_us: float = 0,
    skipped: float = 0.1,
) -> Scenario:
    """Create a scenario of streams with so many events a second.

    They start within the time of five events, or one each interval. Latency does not count for the
    skipped share of a stream's deltas.
    """

    def measure(bench: Bench, target: Target) -> Measurement:
        events = max(10, round((bench.seconds or seconds) * rate))
        bench.upstream.set_script(pace, events, rate)
        interval = interval_us or 5e6 / rate / streams
        traffic = Traffic(events, streams, skipped=round(events * skipped), interval_us=interval)
        return bench.load(target, traffic)

    return Scenario(f"{streams} streams × {rate:g}/s, {pace}", measure, (_CPU, _RATE, _P99), streams)


def _short_requests(bench: Bench, target: Target) -> Measurement:
    bench.upstream.set_script("blocks", 5)
    return bench.load(target, Traffic(5, requests=_REQUESTS))


def _idle_memory(bench: Bench, target: Target) -> Measurement:
    """Memory of streams that wait, less that of the process without them."""
    streams = min(_IDLE_STREAMS, target.max_streams)
    bench.upstream.set_script("silent", 10)
    before = target.resident_bytes()
    with ExitStack() as opened:
        connections = []
        for number in range(streams):
            connections.append(opened.enter_context(_connect(target)))
            if number % 10 == 0:
                time.sleep(0.005)
        for connection in connections:
            _read_beginning(connection)
        time.sleep(1)
        grown = target.resident_bytes() - before
    return {"kib": grown / 1024 / streams} if target.program else {}


def _stalled_reader(bench: Bench, target: Target) -> Measurement:
    """The cost of a client that does not read while its upstream sends without pauses."""
    bench.upstream.set_script("blocks", _ENDLESS)
    before, sent = target.resident_bytes(), bench.upstream.stats().bytes
    with _connect(target, receive_buffer=65536) as connection:
        connection.recv(200)
        time.sleep(_STALL_SECONDS)
        grown, taken = target.resident_bytes() - before, bench.upstream.stats().bytes - sent
    return {"taken_mb": taken / _MB} | ({"grown_mb": grown / _MB} if target.program else {})


def _disconnect(pace: str, title: str) -> Scenario:
    """Time from a client's `close` until the upstream's connection is closed."""

    def measure(bench: Bench, target: Target) -> Measurement:
        bench.upstream.set_script(pace, _ENDLESS)
        return {"ms": statistics.median(_time_of_an_abort(bench, target) for _ in range(_DISCONNECTS))}

    return Scenario(title, measure, (Metric("ms", "ms", 2),), needs_aborts=True)


def _time_of_an_abort(bench: Bench, target: Target) -> float:
    aborted = bench.upstream.stats().aborted
    with _connect(target) as connection:
        _read_beginning(connection)
        time.sleep(0.1)
        closed = time.monotonic_ns()
    deadline = time.monotonic() + _ABORT_SECONDS
    while (stats := bench.upstream.stats()).aborted == aborted:
        if time.monotonic() > deadline:
            msg = f"the upstream's connection is still open after {_ABORT_SECONDS} s"
            raise TimeoutError(msg)
        time.sleep(0.01)
    return (stats.last_abort_ns - closed) / 1e6


def _connect(target: Target, receive_buffer: int = 0) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(20)
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect(("127.0.0.1", target.port))
    connection.sendall(CHAT.request)
    return connection


def _read_beginning(connection: socket.socket) -> None:
    """Read up to the first delta."""
    received = b""
    while b"~" not in received:
        data = connection.recv(4096)
        if not data:
            msg = f"the stream ended after {received[:200]!r}"
            raise ConnectionError(msg)
        received += data


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "flood-blocks": _flood("blocks", "flood, 64 KiB a write"),
    "flood-events": _flood("events", "flood, one write an event"),
    **{f"paced{streams}": _paced(streams) for streams in (50, 200, 500, 1000)},
    "lockstep200": _paced(200, pace="lockstep"),
    # Seven of thirteen deltas, 14 s, pass until all streams are open.
    "idle5000": _paced(5000, rate=0.5, seconds=26, interval_us=2500, skipped=0.55),
    "requests": Scenario(
        "request of 5 chunks",
        _short_requests,
        (
            Metric("cpu_us_request", "CPU µs per request", is_ratio=True),
            Metric("first_byte_ms", "first byte ms", 2),
        ),
    ),
    "disconnect-active": _disconnect("paced", "disconnect to abort, 50 events/s"),
    "disconnect-silent": _disconnect("silent", "disconnect to abort, silent"),
    "idle-memory": Scenario(
        "idle stream", _idle_memory, (Metric("kib", "KiB", 1, is_ratio=True),), is_fresh=True
    ),
    "stalled-reader": Scenario(
        "reader stalled for 4 s, upstream flooding",
        _stalled_reader,
        (Metric("grown_mb", "memory grown, MB", 1), Metric("taken_mb", "taken from the upstream, MB", 1)),
        is_fresh=True,
    ),
}
"""By the names that options give them."""
