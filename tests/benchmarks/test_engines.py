"""The benchmark of the engine `llama` runs; its figures are not asserted."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "engines.py"


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_every_scenario_is_measured():
    command = [sys.executable, BENCHMARK, "--rounds", "1", "--tokens", "20"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    for row in ("1 streams: overhead", "8 streams: tokens/s", "gap: longest gap ms", "cancel: until idle ms"):
        assert row in done.stdout
