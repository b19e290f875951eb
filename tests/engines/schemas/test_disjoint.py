"""`oneOf` is `anyOf` only if the branches are disjoint for certain."""

import pytest

from headrace.engines.schemas.disjoint import Disjointness
from headrace.wire.schema_references import SchemaReferences

DEFS = {
    "A": {"type": "object", "properties": {"k": {"const": "a"}}, "required": ["k"]},
    "B": {"type": "string"},
}
K = [{"type": "object", "properties": {"k": {"const": value}}, "required": ["k"]} for value in ("a", "b")]
CLOSED = {"type": "object", "properties": {"x": {}}, "additionalProperties": False}


def disjoint(*branches):
    return Disjointness(SchemaReferences({"$defs": DEFS})).holds(list(branches))


@pytest.mark.parametrize(
    "branches",
    [
        [{"type": "string"}, {"type": "integer"}],
        [{"type": "string"}, {"type": ["null", "number"]}, {"type": "object"}],
        [{"const": 1}, {"enum": [2, "x"]}],
        [{"const": 1}, {"type": "string"}],
        [{"enum": ["a"]}, {"enum": [1, None]}],
        K,
        [{"$ref": "#/$defs/A"}, K[1]],
        [{"$ref": "#/$defs/B"}, {"type": "null"}],
        [{"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "integer"}],
        [{**CLOSED, "required": ["x"]}, {"type": "object", "required": ["y"], "properties": {"y": {}}}],
        [False, {}],
    ],
)
def test_these_are_disjoint(branches):
    assert disjoint(*branches)
    assert disjoint(*reversed(branches))


@pytest.mark.parametrize(
    "branches",
    [
        [{"type": "integer"}, {"type": "number"}],
        [{}, {"type": "string"}],
        [True, {"type": "string"}],
        [{"const": 1}, {"enum": [1, 2]}],
        [{"const": {"a": 1, "b": 2}}, {"const": {"b": 2, "a": 1}}],
        [{"type": "object", "properties": part["properties"]} for part in K],
        [{"$ref": "#/$defs/A"}, K[0]],
        [{"$ref": "#/nothing"}, {"type": "string"}],
        [{"type": "object"}, {"type": "object", "required": ["a"]}],
        [{"$ref": "#/$defs/A", "anyOf": 5}, {"type": "object", "properties": 5}],
    ],
)
def test_these_may_overlap(branches):
    assert not disjoint(*branches)


A, B = ({"type": "object", "properties": {name: {}}, "required": [name]} for name in "ab")


@pytest.mark.parametrize(
    ("branches", "is_disjoint"),
    [
        ([A, B], True),
        ([A, {**B, "required": []}], False),
        ([A, {**B, "required": ["a", "b"]}], False),
        ([A, {**B, "additionalProperties": {}}], False),
        ([A, {**B, "allOf": [{}]}], False),
        ([A, {key: value for key, value in B.items() if key != "type"}], False),
        ([{"$ref": "#/$defs/A"}, A], True),
        ([{"$ref": "#/$defs/A", "properties": {"a": {}}}, A], False),
    ],
)
def test_closed_objects_that_need_different_names_are_disjoint(branches, is_disjoint):
    disjointness = Disjointness(SchemaReferences({"$defs": DEFS}))

    assert disjointness.holds(branches, closed=True) == is_disjoint
    assert not disjointness.holds(branches)


def test_nested_alternatives_are_compared_a_bounded_number_of_times():
    """Sixteen levels of sixteen alternatives are 16**16 comparisons."""
    schema = {"type": "string"}
    for _ in range(16):
        schema = {"anyOf": [schema] * 16}

    assert not disjoint(schema, schema)
