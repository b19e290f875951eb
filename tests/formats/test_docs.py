"""docs/formats.md says what the tables and the parser do."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

from headrace.formats import FORMATS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_diagrams_are_what_the_tables_say():
    subprocess.run([sys.executable, DOCS / "draw_formats.py", "--check"], check=True)


def test_every_family_has_a_diagram():
    drawn = re.findall(r"<!-- diagram: (\S+) -->\n```mermaid", (DOCS / "formats.md").read_text())

    assert sorted(drawn) == sorted({format.name for format in FORMATS.values()})


def test_the_example_runs():
    result = doctest.testfile(str(DOCS / "formats.md"), module_relative=False)

    assert result.attempted > 0
    assert result.failed == 0
