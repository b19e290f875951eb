"""docs/formats.md agrees with the tables and the parser."""

import doctest
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_sections_of_the_families_are_up_to_date():
    check = subprocess.run([sys.executable, DOCS / "draw_formats.py", "--check"], check=False)

    assert check.returncode == 0, "run python docs/draw_formats.py"


def test_the_example_runs():
    result = doctest.testfile(str(DOCS / "formats.md"), module_relative=False)

    assert result.attempted > 0
    assert result.failed == 0
