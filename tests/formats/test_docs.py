"""docs/formats.md agrees with the tables and the parser."""

import doctest
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_example_runs():
    result = doctest.testfile(str(DOCS / "formats.md"), module_relative=False)

    assert result.attempted > 0
    assert result.failed == 0
