"""A log handler that never waits for who reads the log.

A thread formats and writes the records, those of 50 ms together. If the standard error is a pipe without a
reader, or a slow disk, at most `MAX_WAITING` records wait; further ones are dropped. What cannot be written,
because the reader has gone or the disk is full, is dropped as well. When lines can be written again, one of
them has the number of those that were dropped.
"""

import logging
import os
import queue
import select
import sys
import threading
from collections.abc import Callable
from typing import Any, Final, TypeAlias

__all__ = ["MAX_WAITING", "Event", "LineWriter", "write_all"]

Event: TypeAlias = dict[str, Any]
"""A record: `event`, which is its message, `timestamp` in seconds since 1970, `level`, `logger`, those fields
in `extra` that have a value, and `exception` or `stack` if there is one."""

Attributes: TypeAlias = dict[str, Any]  # of a record of `logging`

MAX_WAITING: Final = 5000
"""Records that may wait to be written."""

_FLUSH_TIMEOUT: Final = 1.0  # seconds
_DELAY: Final = 0.05  # seconds in which lines are collected for one write
_LOGGER: Final = logging.getLogger("headrace.telemetry")
_TRACEBACKS: Final = logging.Formatter()
_OWN: Final = ("event", "timestamp", "level", "logger", "exception", "stack")
_HEAD: Final = ("msg", "created", "levelname", "name")
_NO_FIELDS: Final = frozenset(
    {*logging.LogRecord("", 0, "", 0, "", (), None).__dict__, "message", "taskName", *_OWN}
)


class LineWriter(logging.Handler):
    """Writes each record as a line.

    Args:
        render: returns the line of a record.
        write: writes lines, and may wait. An OSError means that they are lost.
    """

    def __init__(self, render: Callable[[Event], str], write: Callable[[bytes], object]) -> None:
        super().__init__()
        self._render = render
        self._write = write
        self._events: queue.SimpleQueue[Attributes | threading.Event] = queue.SimpleQueue()
        self._dropped = 0  # changed by threads that log
        self._drop_lock = threading.Lock()
        self._lost = self._reported = 0  # changed by the thread that writes
        self._is_urgent = threading.Event()
        self._process = 0  # whose thread writes; a fork does not have it

    def handle(self, record: logging.LogRecord) -> bool:
        """Keep a record, unless a filter rejects it. Without the lock of a handler: a queue needs none."""
        is_accepted = bool(self.filter(record))
        if is_accepted:
            self.emit(record)
        return is_accepted

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what a record contains, without references to what it is about; the thread does the rest."""
        if self._events.qsize() >= MAX_WAITING:
            with self._drop_lock:
                self._dropped += 1
            return
        try:
            self._events.put(_detached(record))
        except Exception:  # noqa: BLE001 - a defect of a message must not end what it reports
            self.handleError(record)
            return
        if self._process != (process := os.getpid()):
            self._process = process
            threading.Thread(target=self._run, name="log", daemon=True).start()

    def flush(self) -> None:
        """Wait until the records so far are written, but not for long."""
        if self._process == os.getpid():
            done = threading.Event()
            self._events.put(done)
            self._is_urgent.set()
            done.wait(_FLUSH_TIMEOUT)

    def _run(self) -> None:
        while True:
            items = [self._events.get()]
            # To wake the thread for each record would cost a request more than the record itself.
            self._is_urgent.wait(_DELAY)
            self._is_urgent.clear()
            while not self._events.empty():
                items.append(self._events.get())
            if lines := [self._line(item) for item in items if isinstance(item, dict)]:
                self._write_lines(lines)
            for item in items:
                if isinstance(item, threading.Event):
                    item.set()

    def _line(self, attributes: Attributes) -> str:
        """Return the line of a record; one without its fields if they cannot be rendered."""
        try:
            return self._render(_event_of(attributes))
        except Exception:  # noqa: BLE001 - a value that is nested too deeply, or whose `repr` fails
            error = {"exc_text": _TRACEBACKS.formatException(sys.exc_info()), "stack_info": None}
            return self._render(_event_of({name: attributes[name] for name in _HEAD} | error))

    def _write_lines(self, lines: list[str]) -> None:
        try:
            self._write("".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))
        except OSError:
            self._lost += len(lines)
        else:
            if self._events.qsize() < MAX_WAITING:  # otherwise the report would be dropped as well
                self._report()

    def _report(self) -> None:
        """Log how many lines were dropped since the previous report, if any."""
        dropped = self._dropped + self._lost
        if new := dropped - self._reported:
            self._reported = dropped
            _LOGGER.warning("%d lines of the log were dropped, because they could not be written", new)


def _detached(record: logging.LogRecord) -> Attributes:
    """Return the attributes of a record, with texts in place of what refers to other objects."""
    attributes = {**record.__dict__, "msg": record.getMessage(), "args": None, "exc_info": None}
    if record.exc_info:
        attributes["exc_text"] = _TRACEBACKS.formatException(record.exc_info)
    return attributes


def _event_of(attributes: Attributes) -> Event:
    event = {
        "event": attributes["msg"],
        "timestamp": attributes["created"],
        "level": attributes["levelname"].lower(),
        "logger": attributes["name"],
        **{name: value for name, value in attributes.items() if value is not None and name not in _NO_FIELDS},
    }
    if attributes["exc_text"]:
        event["exception"] = attributes["exc_text"]
    if attributes["stack_info"]:
        event["stack"] = attributes["stack_info"]
    return event


def write_all(file: int, data: bytes) -> None:
    """Write all bytes to a file descriptor, which need not be in blocking mode.

    Raises:
        OSError: they cannot be written.
    """
    while data:
        try:
            data = data[os.write(file, data) :]
        except BlockingIOError:
            select.select([], [file], [])
