"""`not`, `if` and `oneOf` are written as alternatives, which a small validator of the tests compares with them."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammars import VALIDATOR, accepts, object_of, schema_grammar, text_of
from headrace.engines.protocols.grammar import schema_grammar as grammar_of_rewritten
from headrace.engines.schemas.negation import _MAX_STEPS, Negation, text_other_than
from headrace.engines.schemas.rewrite import SchemaRewriter
from headrace.errors import RequestError
from headrace.wire.schema_references import SchemaReferences

S, I = {"type": "string"}, {"type": "integer"}  # noqa: E741

EXACT = {
    # not
    "other types": ({"not": {"type": ["string", "object", "array"]}}, [1, 1.5, True, None], ["x", {}, []]),
    "other words": ({**S, "not": {"enum": ["a", "ab", ""]}}, ["b", "abc", "A"], ["a", "ab", ""]),
    "types in capitals": ({"type": "STRING", "not": {"const": "x"}}, ["y"], ["x", 1]),
    "other numbers": ({"type": "number", "not": {"enum": [1, 2.5]}}, [0, 1.5, 3], [1, 2.5]),
    "other integers": ({**I, "not": {"const": 7}}, [6, 8], [7, 6.5]),
    "the other truth": ({"type": "boolean", "not": {"const": True}}, [False], [True, None]),
    "a name that is forbidden": ({**object_of(a=I), "not": {"required": ["b"]}}, [{"a": 1}], [{"a": 1, "b": 2}, {}]),
    "not both": ({**object_of(a=I, b=I), "required": [], "not": {"required": ["a", "b"]}}, [{"a": 1}, {"b": 1}, {}], [{"a": 1, "b": 1}]),
    "neither": ({**object_of(a=I, b=I, c=I), "required": ["c"], "not": {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}}, [{"c": 1}], [{"a": 1, "c": 1}, {"b": 1, "c": 1}]),
    "not this pair": ({**object_of(a=S, b=S), "not": {"properties": {"a": {"const": "x"}, "b": {"const": "y"}}}}, [{"a": "x", "b": "x"}, {"a": "y", "b": "y"}], [{"a": "x", "b": "y"}]),
    "shorter or longer": ({**S, "not": {"minLength": 2, "maxLength": 3}}, ["a", "abcd"], ["ab", "abc"]),
    "outside of a range": ({"type": "number", "not": {"minimum": 1, "exclusiveMaximum": 2}}, [0.5, 2], [1, 1.5]),
    "fewer or more items": ({"type": "array", "items": I, "not": {"minItems": 1, "maxItems": 1}}, [[], [1, 2]], [[1]]),
    "what a reference names": ({"not": {"$ref": "#/$defs/w"}, **S, "$defs": {"w": {"const": "x"}}}, ["y"], ["x", 1]),
    "not not": ({**I, "not": {"not": {"minimum": 2}}}, [2], [1]),
    # if
    "then": ({**object_of(k={"enum": ["a", "b"]}, x=I), "required": ["k"], "if": {"properties": {"k": {"const": "a"}}}, "then": {"required": ["x"]}}, [{"k": "a", "x": 1}, {"k": "b"}], [{"k": "a"}]),
    "then and else": ({"type": ["integer", "string"], "if": S, "then": {"minLength": 2}, "else": {"maximum": 3}}, ["ab", 3], ["a", 4]),
    "else alone": ({**I, "if": {"minimum": 5}, "else": {"maximum": 2}}, [6, 1], [3]),
    "neither of them": ({**I, "if": {"pattern": "x"}}, [1], ["x"]),
    # oneOf
    "exactly one name": ({**object_of(a=I, b=I), "required": [], "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, [{"a": 1}, {"b": 1}], [{}, {"a": 1, "b": 1}]),
    "ranges that overlap": ({**I, "oneOf": [{"minimum": 2}, {"maximum": 4}]}, [1, 5], [2, 3, 4]),
    "one of three": ({**S, "oneOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}, {"const": "c"}]}, ["a"], ["b", "c", "d"]),
    "objects with other names": ({"oneOf": [object_of(a=I), object_of(b=I)]}, [{"a": 1}, {"b": 1}], [{}, {"a": 1, "b": 1}, 5]),
}  # fmt: skip


@pytest.mark.parametrize("case", EXACT)
def test_a_grammar_accepts_exactly_the_valid_values(case):
    schema, valid, invalid = EXACT[case]
    grammar = schema_grammar(schema, strict=True)

    assert [value for value in valid if not accepts(grammar, text_of(value))] == []
    assert [value for value in invalid if accepts(grammar, text_of(value))] == []


NOT_NEGATED = [
    {"pattern": "x"},
    {"multipleOf": 2},
    {"type": "integer"},
    {"items": I},
    {"enum": [[1]]},
    {"additionalProperties": False},
    {"$ref": "#"},
    {"$ref": "#/nothing"},
    {"const": "a" * 65},
    {"enum": ["a" * 60 + str(at) for at in range(40)]},
    {"type": 5},
    {"properties": {f"p{at}": {"const": "x"} for at in range(40)}},
    {"anyOf": [{"properties": {"a": {"const": 1}, "b": {"const": 2}}}] * 3},
]


@pytest.mark.parametrize("schema", NOT_NEGATED)
def test_what_cannot_be_negated_in_a_few_alternatives_is_not(schema):
    assert Negation(SchemaReferences({"not": {"$ref": "#"}, **schema})).of(schema) is None


@pytest.mark.parametrize(
    "branches",
    [
        [S, S, {"type": "null"}],
        [{**S, "title": "A"}, {**S, "title": "B"}],
        [object_of(a=S), {**object_of(a=S), "description": "."}],
        [{"type": "number"}, {"type": "number", "minimum": 0}],
        [{"$ref": "#/$defs/w"}, S],
        [True, True],
        [True, {"required": ["a"]}],
    ],
)
def test_a_branch_that_never_holds_alone_makes_oneof_anyof(branches):
    schema = {"oneOf": branches, "$defs": {"w": {"const": "x"}}}
    rewriter = SchemaRewriter(schema, "s")

    assert VALIDATOR.error(grammar_of_rewritten(rewriter.rewrite(schema, "s"))) == ""
    assert rewriter.unenforced == ["s.oneOf"]


def test_alternatives_are_multiplied_a_bounded_number_of_times():
    """Sixteen conditions are 65,536 alternatives."""
    condition = {"if": {"required": ["a"]}, "then": {"required": ["b"]}}
    schema = {"type": "object", "allOf": [condition] * 16}
    rewriter = SchemaRewriter(schema, "s")
    rewriter.rewrite(schema, "s")

    assert rewriter.unenforced == [f"s.allOf[{at}].if" for at in range(6, 16)]


def test_references_are_negated_a_bounded_number_of_times():
    """Four levels of sixteen references would be 16**4 schemas."""
    defs = {str(at): {"anyOf": [{"$ref": f"#/$defs/{at + 1}"}] * 16} for at in range(3)}
    negation = Negation(SchemaReferences({"$defs": {**defs, "3": {"required": ["a"]}}}))

    assert negation.of({"$ref": "#/$defs/0"}) == [{"allOf": [{"type": "object", "properties": {"a": False}}]}]
    assert negation._steps < 100


def test_a_document_has_a_bounded_number_of_negations():
    negation = Negation(SchemaReferences({}))
    for at in range(_MAX_STEPS):
        assert negation.of({"minimum": at})

    assert negation.of({"minimum": 0}) is None


def test_what_is_negated_in_many_places_is_rewritten_once():
    other = {"not": {"$ref": "#/$defs/a"}}
    names = [{"required": [str(at)]} for at in range(30)]
    schema = {"properties": {str(at): {**other} for at in range(50)}, "$defs": {"a": {"anyOf": names}}}
    rewritten = SchemaRewriter(schema, "s").rewrite(schema, "s")

    assert len(rewritten["$defs"]) < 40


@given(
    st.lists(st.text("ab水]-^\\\n", max_size=3), min_size=1, max_size=4), st.text("ab水]-^\\\n", max_size=4)
)
def test_a_pattern_for_other_words(words, text):
    assert bool(re.search(text_other_than(words).replace("$", r"\Z"), text)) == (text not in words)


# --- a validator of the keywords that can be negated --------------------------------------------------

KINDS = {"string": str, "boolean": bool, "null": type(None), "object": dict, "array": list}


def is_a(value, name):
    if name in ("integer", "number"):
        return isinstance(value, int | float) and not isinstance(value, bool) and (name == "number" or value == int(value))  # fmt: skip
    return isinstance(value, KINDS[name])


def equal(one, other):
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def valid(value, schema):
    if isinstance(schema, bool):
        return schema
    checks = {
        "type": lambda names: any(is_a(value, name) for name in ([names] if isinstance(names, str) else names)),
        "const": lambda other: equal(value, other),
        "enum": lambda others: any(equal(value, other) for other in others),
        "required": lambda names: not isinstance(value, dict) or value.keys() >= set(names),
        "properties": lambda parts: not isinstance(value, dict) or all(valid(value[name], part) for name, part in parts.items() if name in value),
        "minimum": lambda bound: not is_a(value, "number") or value >= bound,
        "exclusiveMinimum": lambda bound: not is_a(value, "number") or value > bound,
        "maximum": lambda bound: not is_a(value, "number") or value <= bound,
        "exclusiveMaximum": lambda bound: not is_a(value, "number") or value < bound,
        "minLength": lambda bound: not isinstance(value, str) or len(value) >= bound,
        "maxLength": lambda bound: not isinstance(value, str) or len(value) <= bound,
        "minItems": lambda bound: not isinstance(value, list) or len(value) >= bound,
        "maxItems": lambda bound: not isinstance(value, list) or len(value) <= bound,
        "pattern": lambda pattern: not isinstance(value, str) or re.search(pattern, value),
        "allOf": lambda parts: all(valid(value, part) for part in parts),
        "anyOf": lambda parts: any(valid(value, part) for part in parts),
        "oneOf": lambda parts: sum(valid(value, part) for part in parts) == 1,
        "not": lambda part: not valid(value, part),
        "if": lambda part: valid(value, schema.get("then" if valid(value, part) else "else", True)),
    }  # fmt: skip
    return all(checks[key](given) for key, given in schema.items() if key in checks)


NAMES = st.sampled_from(["a", "b"])
TYPES = st.sampled_from(["string", "number", "boolean", "null", "object", "array"])
WORDS = st.sampled_from(["", "a", "ab", 0, 1, 2.5, True, False, None])
LEAVES = st.one_of(
    st.booleans(),
    st.builds(lambda names: {"type": names}, st.lists(TYPES, min_size=1, max_size=5, unique=True)),
    st.builds(lambda words: {"enum": words}, st.lists(WORDS, min_size=1, max_size=3)),
    st.builds(lambda word: {"const": word}, WORDS),
    st.builds(lambda names: {"required": names}, st.lists(NAMES, min_size=1, unique=True)),
    st.builds(lambda key, bound: {key: bound}, st.sampled_from(["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems"]), st.integers(0, 2)),
)  # fmt: skip
SCHEMAS = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.builds(lambda properties: {"properties": properties}, st.dictionaries(NAMES, parts, max_size=2)),
        st.builds(lambda key, items: {key: items}, st.sampled_from(["anyOf", "allOf", "oneOf"]), st.lists(parts, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, parts),
        st.builds(lambda condition, then, other: {"if": condition, "then": then, "else": other}, parts, parts, parts),
        st.builds(lambda one, other: {**one, **other} if isinstance(one, dict) and isinstance(other, dict) else one, parts, parts),
    ),
    max_leaves=5,
)  # fmt: skip
VALUES = ["", "a", "ab", "abc", 0, 1, 2, 3, 2.5, -1, True, False, None, [], [1], [1, 2], [0, 1, 2], {}, {"a": 1}, {"a": "a"}, {"b": None}, {"a": True, "b": ""}, {"a": {}, "b": 0}]  # fmt: skip


@given(SCHEMAS)
def test_a_value_is_valid_against_a_schema_or_its_negation(schema):
    alternatives = Negation(SchemaReferences(schema)).of(schema)
    if alternatives is not None:
        for value in VALUES:
            assert any(valid(value, each) for each in alternatives) != valid(value, schema), value


@given(SCHEMAS)
def test_what_a_grammar_accepts_is_valid(schema):
    with suppress(RequestError):  # it cannot be enforced
        grammar = schema_grammar(schema, strict=True)
        assert [
            value for value in VALUES if accepts(grammar, text_of(value)) and not valid(value, schema)
        ] == []
