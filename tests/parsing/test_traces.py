"""Outputs of real models are parsed to the expected events."""

import json
from pathlib import Path

import pytest

from headrace.cli.parse import describe
from headrace.formats import FORMATS
from reading import parse, splits

TRACES = Path(__file__).parents[1] / "traces"
TOOLS = {
    tool["function"]["name"]: tool["function"]["parameters"]
    for tool in json.loads((TRACES / "tools.json").read_text())
}
CASES = sorted(path.parent for path in TRACES.glob("*/*/output.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_an_output_gives_the_same_events_however_it_is_split(case):
    text = (case / "output.txt").read_bytes().decode()
    expected = [json.loads(line) for line in (case / "events.jsonl").read_text().splitlines()]

    for parts in ([text], *splits(text)):
        assert list(map(describe, parse(case.parent.name, parts, tools=TOOLS))) == expected


def test_every_table_has_an_output():
    covered = [FORMATS[case.parent.name].transitions for case in CASES]

    assert [format.name for format in FORMATS.values() if format.transitions not in covered] == []
