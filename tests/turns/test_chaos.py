"""A short run of `benchmarks/chaos.py`: servers are killed while clients read, and no event is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

from redis_server import is_installed
from turn_stores import SHARED

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("store", SHARED)
def test_no_event_is_lost_or_repeated_when_servers_are_killed(store):
    if store == "redis" and not is_installed():
        pytest.skip("no Redis or Valkey server is installed")
    command = [sys.executable, str(ROOT / "benchmarks/chaos.py"), "--store", store]
    quick = ["--kills", "4", "--clients", "4", "--questions", "5", "--pace", "0.01", "--lease", "0.6"]
    done = subprocess.run([*command, *quick], capture_output=True, text=True, timeout=110, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    counts = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if line[-1:].isdigit())
    assert int(counts["                             kills"]) >= 4
