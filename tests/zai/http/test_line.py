"""A connection that any thread can cut."""

import math
import socket
import threading
import time

import pytest

from zai.http.interruptible import InterruptibleConnection, Watchdog


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_read_that_waits_ends_when_the_line_is_cut(pair):
    line = InterruptibleConnection()
    line.hold(pair[0])
    threading.Timer(0.05, line.cut).start()

    assert pair[0].recv(1) == b""


def test_a_line_that_was_cut_before_it_had_a_connection_ends_its_reads_too(pair):
    line = InterruptibleConnection()
    line.cut()
    line.hold(pair[0])

    assert pair[0].recv(1) == b""


def test_a_connection_that_a_line_gave_back_is_left_alone(pair):
    line = InterruptibleConnection()
    line.hold(pair[0])
    line.hold(None)
    line.cut()
    pair[1].send(b"a")

    assert pair[0].recv(1) == b"a"


def test_a_sleep_ends_when_the_line_is_cut():
    line = InterruptibleConnection()
    threading.Timer(0.05, line.cut).start()
    start = time.monotonic()
    line.sleep(60)

    assert time.monotonic() - start < 30


@pytest.mark.parametrize(("left", "is_cut"), [(0.01, True), (60, False), (math.inf, False)])
def test_a_watchdog_cuts_its_line_once_no_time_is_left(left, is_cut):
    line = InterruptibleConnection()
    end = time.monotonic() + left
    with Watchdog(line, lambda now: end - now):
        line.sleep(30 if is_cut else 0.2)

    assert line.is_cut == is_cut
