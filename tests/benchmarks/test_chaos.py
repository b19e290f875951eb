"""`benchmarks/chaos` runs, and notices what is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from redis_server import is_installed
from turn_stores import SHARED

CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos"
WORDS = "0a水 1a水 2b水 "


@pytest.fixture
def count(monkeypatch):
    """Compare an answer with the log, for a question of three words; return the faults."""
    monkeypatch.syspath_prepend(str(CHAOS))
    from question import Question
    from readers import Answer
    from tally import FAULTS, Tally

    def compare(text=WORDS, logged=WORDS, reason="stop", usage=(1, 3), **seen):
        tally = Tally()
        tally.enter("test", 0)
        question = Question("q", expected=3, **{"generations": [0, 2], "ids": ["a"], **seen})
        answers = (Answer("reader", each, reason, usage) for each in (text, logged))
        tally.check_answer(question, *answers)
        tally.check_generations(question, was_disturbed=True)
        return {name: number for name in FAULTS if (number := tally.counts["test"][name])}

    return compare


@pytest.mark.parametrize("store", SHARED)
def test_servers_are_killed_while_clients_read(store):
    if store == "redis" and not is_installed():
        pytest.skip("no Redis or Valkey server is installed")
    command = [sys.executable, CHAOS, "--store", store, "--kills", "1", "--only", "kills"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    names, counts = (line.split() for line in done.stdout.splitlines()[:2])
    assert dict(zip(names, counts[1:], strict=False)).items() >= {"turns": "4", "readers": "20"}.items()


def test_a_right_answer_has_no_faults(count):
    assert count() == {}


@pytest.mark.parametrize(
    ("wrong", "faults"),
    [
        ({"text": "0a水 2b水 ", "logged": "0a水 2b水 ", "usage": (1, 2)}, {"lost": 1, "differing": 1}),
        ({"text": "0a水 1a水 1a水 2b水 "}, {"twice": 1, "differing": 1}),
        ({"text": "0a水 1b水 2b水 "}, {"differing": 1}),
        ({"reason": "network_error"}, {"differing": 1}),
        ({"usage": (1, 4)}, {"differing": 1}),
        ({"ids": ["a", "b"]}, {"generated twice": 1}),
        ({"repeated": 1}, {"generated twice": 1}),
        ({"broken_prefixes": ["0a水 2"]}, {"differing": 1}),
    ],
    ids=["lost", "twice", "spliced", "failed", "usage", "two turns", "generated again", "wrong prefix"],
)
def test_each_fault_is_counted(count, wrong, faults):
    assert count(**wrong) == faults
