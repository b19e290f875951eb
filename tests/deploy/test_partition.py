"""`benchmarks/partition.py`: hosts of their own, between which packets disappear."""

import subprocess
import sys

import pytest

from proxies import DEPLOY

BENCHMARK = DEPLOY.parent / "benchmarks" / "partition.py"
SKIPPED = 77

pytestmark = pytest.mark.nightly


@pytest.mark.parametrize("case", ["replicas", "short", "long", "connecting", "reading", "answering"])
def test_no_event_is_lost_and_no_reader_waits_for_ever(case):
    command = [sys.executable, BENCHMARK, case]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    if done.returncode == SKIPPED:
        pytest.skip(done.stderr)

    assert f"{case}: right" in done.stdout, done.stdout + done.stderr
