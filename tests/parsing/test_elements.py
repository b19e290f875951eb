"""Nested elements become JSON, however they are cut or broken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.parsing.elements import ElementsWriter
from headrace.parsing.schema import ParametersSchema

SCHEMA = {
    "properties": {
        "text": {"type": "string"},
        "list": {"type": "array", "items": {"type": ["integer", "null"]}},
        "map": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Point"}},
        "either": {
            "anyOf": [{"type": "object", "properties": {"text": {"type": "number"}}}, {"type": "null"}]
        },
    },
    "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}}}},
}


def write(*steps, schema=SCHEMA):
    """Write elements: `<name`, `/name`, or text."""
    writer = ElementsWriter(ParametersSchema(schema))
    output = ""
    for step in steps:
        if step[:1] == "<":
            output += writer.open(step[1:])
        elif step[:1] == "/":
            output += writer.close(step[1:])
        else:
            output += writer.feed(step)
    return output + writer.finish()


@pytest.mark.parametrize(
    ("steps", "meant"),
    [
        ([], {}),
        (["<text", " 7", "/text"], {"text": " 7"}),
        (["<text", "/text"], {"text": ""}),
        (["<list", "<item", "1", "/item", "<item", "/item", "/list"], {"list": [1, None]}),
        (["<list", "\n", "/list"], {"list": []}),
        (["<map", "/map"], {"map": {}}),
        (
            ["<map", "<a", "<x", "1", "/x", "<y", "2.5", "/y", "/a", "<b", "/b", "/map"],
            {"map": {"a": {"x": 1, "y": 2.5}, "b": {}}},
        ),
        (["<either", "<text", "7", "/text", "/either"], {"either": {"text": 7}}),
        (["<either", "/either"], {"either": {}}),
        (["<other", "<item", "a", "/item", "<item", "b", "/item", "/other"], {"other": ["a", "b"]}),
        (["<other", "<key", "a", "/key", "/other"], {"other": {"key": "a"}}),
    ],
)
def test_the_schema_decides(steps, meant):
    assert json.loads(write(*steps)) == meant


@pytest.mark.parametrize(
    ("steps", "meant"),
    [
        # Missing closing tags.
        (["<text", "a", "<list", "<item", "1", "/list"], {"text": "a", "list": [1]}),
        (["<map", "<a", "<x", "1", "<y", "2"], {"map": {"a": {"x": 1, "y": 2}}}),
        # Wrong and doubled tags.
        (["<text", "a", "/txt", "<list", "/list"], {"text": "a", "list": []}),
        (["<text", "a", "/text", "/text"], {"text": "a"}),
        (["<text", "a ", "<b", "c", "/b", "/text"], {"text": "a ", "b": "c"}),
    ],
)
def test_broken_elements_are_repaired(steps, meant):
    assert json.loads(write(*steps)) == meant


@given(st.data())
def test_the_output_is_always_json(data):
    steps, is_open = [], False
    for name in data.draw(
        st.lists(st.sampled_from(["<text", "<list", "<item", "<a", "/text", "/item", "x"]))
    ):
        if name[:1] in "</" or is_open:
            steps.append(name)
            is_open = name[:1] != "/"

    assert isinstance(json.loads(write(*steps)), dict)
    assert isinstance(json.loads(write(*steps, schema=None)), dict)
