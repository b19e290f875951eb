"""The supervisor, with workers that are shell scripts."""

import asyncio
import errno
import os
import signal
import threading
import time
from contextlib import suppress

import pytest

from headrace.configuration import configure
from headrace.configuration.reload import LiveConfiguration
from headrace.errors import EngineError
from headrace.server.listening import binding
from headrace.server.workers import supervisor
from headrace.server.workers.supervisor import Supervisor


@pytest.fixture
def supervise(tmp_path, monkeypatch):
    """Run the supervisor of two workers, each a shell script; return the signal that has ended it."""
    monkeypatch.setattr(supervisor, "_FIRST_DELAY", 0.001)
    monkeypatch.chdir(tmp_path)

    def run(script):
        live = LiveConfiguration(lambda: configure({"workers": 2, "port": 0}, {}))
        with binding(live.value.settings) as listeners:
            command = ("sh", "-c", script, "worker")
            one = Supervisor(command, listeners, live, directory=tmp_path, url="", announce=lambda _: None)
            return asyncio.run(one.run())

    return run


def wait_for_lines(file, number):
    deadline = time.monotonic() + 20
    while number:
        with suppress(FileNotFoundError):
            if len(file.read_text().splitlines()) >= number:
                return
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_worker_that_ends_early_three_times_ends_the_server(supervise, tmp_path):
    with pytest.raises(
        EngineError, match="a worker ended 3 times before it could serve: ended with status 3"
    ):
        supervise("echo $HEADRACE_WORKER_SLOT >> starts; exit 3")

    starts = (tmp_path / "starts").read_text().split()
    assert max(starts.count("0"), starts.count("1")) == 3


@pytest.mark.parametrize(
    ("traps", "signals"),
    [
        ("trap 'exit 0' TERM", 1),
        ("trap 'echo >> ignored' TERM; trap 'exit 0' INT", 2),
        ("trap 'echo >> ignored' TERM INT", 3),
    ],
    ids=["drain", "hurry", "kill"],
)
def test_signals_end_the_workers_more_and_more_quickly(supervise, tmp_path, traps, signals):
    def send():
        wait_for_lines(tmp_path / "running", 2)
        for number in range(signals):
            wait_for_lines(tmp_path / "ignored", 2 * number)
            os.kill(os.getpid(), signal.SIGTERM)

    sending = threading.Thread(target=send)
    sending.start()
    assert supervise(f"{traps}; echo >> running; while :; do sleep 0.01; done") == signal.SIGTERM
    sending.join()


def test_a_worker_that_cannot_be_started_ends_the_server(supervise, monkeypatch):
    async def fail(*_, **__):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", fail)
    with pytest.raises(EngineError, match="cannot be started: Resource temporarily unavailable"):
        supervise("")
