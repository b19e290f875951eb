"""What models wrote, and the events that it means."""

import json
from pathlib import Path

import pytest

from headrace.cli.parse import describe
from reading import cuttings, parse

TRACES = Path(__file__).parents[1] / "traces"
TOOLS = {
    tool["function"]["name"]: tool["function"]["parameters"]
    for tool in json.loads((TRACES / "tools.json").read_text())
}
CASES = sorted(path.parent for path in TRACES.glob("*/*/output.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_trace_says_the_same_under_every_cut(case):
    text = (case / "output.txt").read_bytes().decode()
    expected = json.loads((case / "events.json").read_text())

    for pieces in ([text], *cuttings(text)):
        assert list(map(describe, parse(case.parent.name, pieces, tools=TOOLS))) == expected


def test_there_is_a_trace_for_every_table():
    from headrace.formats import FORMATS

    tables = {id(FORMATS[case.parent.name].transitions) for case in CASES}
    assert tables >= {id(format.transitions) for format in FORMATS.values()}
