"""The benchmark of turn stores runs against the present interface; its figures are not asserted."""

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "turns.py"


def test_every_store_is_measured():
    command = [sys.executable, BENCHMARK, "--rounds", "1", "--seconds", "0.1"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    for store in ("volatile", "memory", "sqlite", "redis"):
        assert store in done.stdout
