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
    connection = InterruptibleConnection()
    connection.attach(pair[0])
    threading.Timer(0.05, connection.interrupt).start()

    assert pair[0].recv(1) == b""


def test_a_line_that_was_cut_before_it_had_a_connection_ends_its_reads_too(pair):
    connection = InterruptibleConnection()
    connection.interrupt()
    connection.attach(pair[0])

    assert pair[0].recv(1) == b""


def test_a_connection_that_a_line_gave_back_is_left_alone(pair):
    connection = InterruptibleConnection()
    connection.attach(pair[0])
    connection.detach()
    connection.interrupt()
    pair[1].send(b"a")

    assert pair[0].recv(1) == b"a"


def test_a_sleep_ends_when_the_line_is_cut():
    connection = InterruptibleConnection()
    threading.Timer(0.05, connection.interrupt).start()
    start = time.monotonic()
    connection.sleep(60)

    assert time.monotonic() - start < 30


@pytest.mark.parametrize(("left", "is_interrupted"), [(0.01, True), (60, False), (math.inf, False)])
def test_a_watchdog_cuts_its_line_once_no_time_is_left(left, is_interrupted):
    connection = InterruptibleConnection()
    end = time.monotonic() + left
    with Watchdog(connection, lambda now: end - now):
        connection.sleep(30 if is_interrupted else 0.2)

    assert connection.is_interrupted == is_interrupted
