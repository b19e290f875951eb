"""Workers share their metrics by slot: one that is killed is replaced, and its numbers are continued."""

import os
import random
import signal
import subprocess
import sys

import pytest

from headrace.server.metrics import table
from headrace.server.metrics.exposition import encode
from headrace.server.metrics.instruments import Instruments
from headrace.server.metrics.slots import Slot, clear_gauges, slot_of
from metrics_text import samples

# A worker in short: it counts to a pipe what it has counted in its metrics, so that the truth is known.
WORKER = """
import sys
import time
from pathlib import Path
from headrace.server.metrics import table
from headrace.server.metrics.instruments import Instruments
from headrace.server.metrics.slots import slot_of

instruments = Instruments(slot_of().open())
requests = instruments.counter(table.RESUMED)
durations = instruments.histogram(table.REQUEST_DURATION, "glm-4.6", "stop")
running = instruments.gauge(table.IN_FLIGHT, "glm-4.6")
for line in sys.stdin:
    while line == "flood\\n":
        requests.add()
        running.set(2)
        instruments.counter(table.TOKENS, f"model {time.time_ns() % 1000}", "prompt").add()
    requests.add()
    durations.observe(1.0)
    running.set(int(line))
    print(line, end="", flush=True)
"""


class Worker:
    def __init__(self, directory, slot):
        environment = {"HEADRACE_WORKERS_DIR": str(directory), "HEADRACE_WORKER_SLOT": str(slot)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def work(self, running):
        self._process.stdin.write(f"{running}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == f"{running}\n"

    def flood(self):
        """Let it work on its own until it is killed."""
        self._process.stdin.write("flood\n")
        self._process.stdin.flush()

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


def exposed(directory):
    """What a worker in slot 9 answers, which has counted nothing itself."""
    return samples(encode(Slot(directory, 9).others()).decode())


def test_a_killed_worker_leaves_its_counters_and_no_gauges(tmp_path):
    survivor = Instruments(Slot(tmp_path, 0).open())
    survivor.gauge(table.IN_FLIGHT, "glm-4.6").set(3)
    for killed in (1, 2):
        worker = Worker(tmp_path, 1)
        worker.work(running=5)
        before = exposed(tmp_path)
        worker.kill()
        clear_gauges(tmp_path, 1)
        after = exposed(tmp_path)

        assert before["headrace_turns_in_flight", "glm-4.6"] == 8
        assert after["headrace_turns_in_flight", "glm-4.6"] == 3
        assert after["headrace_turns_resumed_total",] == before["headrace_turns_resumed_total",] == killed
        assert after["gen_ai_server_request_duration_seconds_count", "glm-4.6", "stop"] == killed
        assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics-0", "metrics-1"]


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_200_killed_workers_leave_two_files_and_counters_that_never_fell(tmp_path):
    """Each is killed while it writes as fast as it can; a scrape meanwhile never fails."""
    survivor = Instruments(Slot(tmp_path, 0).open())
    survivor.gauge(table.IN_FLIGHT, "glm-4.6").set(3)
    random_, counted = random.Random(0), 0.0
    for _ in range(200):
        worker = Worker(tmp_path, 1)
        worker.work(running=1)
        worker.flood()
        for _ in range(random_.randrange(1, 20)):
            now = exposed(tmp_path)["headrace_turns_resumed_total",]
            assert now >= counted
            counted = now
        worker.kill()
        clear_gauges(tmp_path, 1)
        after = exposed(tmp_path)

        assert after["headrace_turns_in_flight", "glm-4.6"] == 3
        assert counted <= after["headrace_turns_resumed_total",]
        counted = after["headrace_turns_resumed_total",]
        assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == {
            "metrics-0": 1024 * 1024,
            "metrics-1": 1024 * 1024,
        }


def test_a_replacement_clears_the_gauges_that_the_supervisor_has_not(tmp_path):
    slot = Slot(tmp_path, 0)
    Instruments(slot.open()).gauge(table.IN_FLIGHT, "m").set(5)
    Instruments(slot.open()).counter(table.RESUMED).add()

    assert ("headrace_turns_in_flight", "m") not in exposed(tmp_path)
    assert exposed(tmp_path)["headrace_turns_resumed_total",] == 1


def test_200_deaths_leave_the_number_and_the_size_of_files_as_they_were(tmp_path):
    totals = []
    for _ in range(200):
        instruments = Instruments(Slot(tmp_path, 0).open())
        instruments.counter(table.RESUMED).add()
        instruments.gauge(table.IN_FLIGHT, "m").set(1)
        clear_gauges(tmp_path, 0)
        totals.append(exposed(tmp_path)["headrace_turns_resumed_total",])
    (file,) = tmp_path.iterdir()

    assert totals == [*range(1, 201)]
    assert file.stat().st_size == 1024 * 1024
    assert file.stat().st_blocks * 512 <= 8192  # of which the rest has no room on the disk


def test_a_server_that_one_worker_finds_failing_is_reported_as_failing(tmp_path):
    for slot, up in enumerate([1, 0, 1]):
        Instruments(Slot(tmp_path, slot).open()).gauge(table.UPSTREAM_UP, "m", "1").set(up)
    assert exposed(tmp_path)["headrace_upstream_up", "m", "1"] == 0
    clear_gauges(tmp_path, 1)

    assert exposed(tmp_path)["headrace_upstream_up", "m", "1"] == 1


def test_the_supervisor_tells_a_worker_its_slot(tmp_path):
    assert slot_of({}) is None
    variables = {"HEADRACE_WORKERS_DIR": str(tmp_path), "HEADRACE_WORKER_SLOT": "3"}
    assert slot_of(variables) == Slot(tmp_path, 3)
    clear_gauges(tmp_path, 7)  # its worker has died before it had metrics
