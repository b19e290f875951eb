"""Lines are written by a thread: who logs never waits for who reads the log."""

import errno
import logging
import os
import subprocess
import sys
import threading
from operator import itemgetter

import pytest

from headrace.telemetry import line_writer
from headrace.telemetry.line_writer import LineWriter, write_all
from headrace.telemetry.logs import renderer


@pytest.fixture
def writing():
    """Sends the records of a logger to `write`; returns a function that logs, and the handler."""
    loggers = [logging.getLogger("headrace.telemetry"), logging.getLogger("headrace.test")]
    added = []

    def start(write):
        handler = LineWriter(itemgetter("event"), write)
        for logger in loggers:
            logger.propagate = False  # pytest's handler raises what cannot be formatted
            logger.addHandler(handler)
            added.append((logger, handler))
        return loggers[1].warning, handler

    yield start
    for logger, handler in added:
        logger.removeHandler(handler)
        logger.propagate = True


class Blocked:
    """A pipe that is not read until `is_read` is set; `lines` have been written."""

    def __init__(self):
        self.is_read = threading.Event()
        self.is_full = threading.Event()
        self.lines = []

    def __call__(self, line):
        self.is_full.set()
        assert self.is_read.wait(30)
        self.lines += line.splitlines(keepends=True)


def test_lines_are_written_in_order_by_another_thread(writing):
    lines, threads = [], set()

    def write(line):
        lines.append(line)
        threads.add(threading.current_thread())

    log, handler = writing(write)
    for number in range(1000):
        log("line %d 你好 \ud800", number)
    handler.flush()

    assert b"".join(lines).decode() == "".join(f"line {number} 你好 \\ud800\n" for number in range(1000))
    assert len(lines) < 100  # they are written together
    assert threading.current_thread() not in threads


def test_a_reader_that_does_not_read_costs_no_time_and_bounded_memory(writing, monkeypatch):
    monkeypatch.setattr(line_writer, "MAX_WAITING", 100)
    pipe = Blocked()
    log, handler = writing(pipe)
    log("first")
    assert pipe.is_full.wait(30)
    for number in range(1000):
        log("line %d", number)
    pipe.is_read.set()
    handler.flush()
    handler.flush()  # the report has followed

    *lines, report = pipe.lines
    assert lines == [b"first\n", *(b"line %d\n" % number for number in range(100))]
    assert report == b"900 lines of the log were dropped, because they could not be written\n"


def test_waiting_for_the_last_lines_has_an_end(writing, monkeypatch):
    monkeypatch.setattr(line_writer, "_FLUSH_TIMEOUT", 0.01)
    pipe = Blocked()
    log, handler = writing(pipe)
    log("never read")
    handler.flush()

    assert pipe.lines == []
    pipe.is_read.set()


@pytest.mark.parametrize("error", [errno.EPIPE, errno.ENOSPC, errno.EBADF])
def test_lines_that_cannot_be_written_are_counted_until_one_can(writing, error):
    lines, is_full = [], True

    def write(line):
        if is_full:
            raise OSError(error, os.strerror(error))
        lines.append(line)

    log, handler = writing(write)
    for number in range(5):
        log("lost %d", number)
    handler.flush()
    is_full = False
    log("there is room again")
    handler.flush()
    handler.flush()

    assert lines == [
        b"there is room again\n",
        b"5 lines of the log were dropped, because they could not be written\n",
    ]


def test_a_message_that_cannot_be_formatted_does_not_end_what_logs(writing, monkeypatch):
    reported = []
    monkeypatch.setattr(logging.Handler, "handleError", lambda _, record: reported.append(record.msg))
    lines = []
    log, handler = writing(lines.append)
    log("%d apples", "no")
    log("next")
    handler.flush()

    assert (reported, lines) == (["%d apples"], [b"next\n"])


FORKING = """
import os, logging
from operator import itemgetter
from headrace.telemetry.line_writer import LineWriter, write_all

handler = LineWriter(itemgetter("event"), lambda lines: write_all(1, lines))
logging.getLogger().addHandler(handler)
logging.warning("in the parent")
handler.flush()
if child := os.fork():
    os.waitpid(child, 0)
else:
    logging.warning("in the child")
    handler.flush()
    os._exit(0)
"""


def test_the_thread_is_started_again_after_a_fork():
    done = subprocess.run([sys.executable, "-c", FORKING], stdout=subprocess.PIPE, check=True, timeout=60)
    assert done.stdout == b"in the parent\nin the child\n"


def test_a_pipe_in_non_blocking_mode_gets_everything():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    data = os.urandom(1_000_000)
    thread = threading.Thread(target=lambda: (write_all(writing, data), os.close(writing)))
    thread.start()
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == data
    thread.join()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_value_that_cannot_be_rendered_costs_no_other_line(log_format):
    class Broken:
        def __repr__(self):
            raise ZeroDivisionError

    nested = []
    for _ in range(100_000):
        nested = [nested]
    written = []
    handler = LineWriter(renderer(log_format), written.append)
    for number, value in enumerate([1, nested, Broken(), 2]):
        handler.emit(logging.makeLogRecord({"msg": f"line {number}", "field": value}))
    handler.flush()
    lines = b"".join(written).decode().splitlines()
    assert [number for number in range(4) if any(f"line {number}" in line for line in lines)] == [0, 1, 2, 3]
    while nested:  # a destructor must not recurse either
        nested = nested.pop()
