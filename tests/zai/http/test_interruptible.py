"""A connection that any thread can interrupt."""

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


def test_interrupting_ends_a_waiting_read(pair):
    connection = InterruptibleConnection()
    connection.attach(pair[0])
    threading.Timer(0.05, connection.interrupt).start()

    assert pair[0].recv(1) == b""


def test_a_socket_attached_after_the_interruption_has_no_more_data(pair):
    connection = InterruptibleConnection()
    connection.interrupt()
    connection.attach(pair[0])

    assert pair[0].recv(1) == b""


def test_a_detached_socket_is_not_interrupted(pair):
    connection = InterruptibleConnection()
    connection.attach(pair[0])
    connection.detach()
    connection.interrupt()
    pair[1].send(b"a")

    assert pair[0].recv(1) == b"a"


def test_interrupting_ends_a_sleep():
    connection = InterruptibleConnection()
    threading.Timer(0.05, connection.interrupt).start()
    start = time.monotonic()
    connection.sleep(60)

    assert time.monotonic() - start < 30


@pytest.mark.parametrize(("left", "is_interrupted"), [(0.01, True), (60, False), (math.inf, False)])
def test_a_watchdog_interrupts_when_no_time_remains(left, is_interrupted):
    connection = InterruptibleConnection()
    end = time.monotonic() + left
    with Watchdog(connection, lambda now: end - now):
        connection.sleep(30 if is_interrupted else 0.2)

    assert connection.is_interrupted == is_interrupted
