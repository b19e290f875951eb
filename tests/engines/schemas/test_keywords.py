"""What a grammar accepts for each kind of schema: llguidance reads the instances."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammars import VALIDATOR, accepts, object_of, schema_grammar, text_of
from headrace.engines.protocols.grammar import schema_grammar as grammar_of_rewritten
from headrace.engines.schemas.rewrite import SchemaRewriter
from headrace.errors import RequestError

S, I, N = {"type": "string"}, {"type": "integer"}, {"type": "null"}  # noqa: E741

EXACT = {
    # objects
    "only the named properties": (object_of(a=I), [{"a": 1}], [{}, {"a": "x"}, {"a": 1, "b": 2}]),
    "others, if they are allowed": ({**object_of(a=I), "additionalProperties": True}, [{"a": 1}, {"a": 1, "b": [2]}], [{"b": 2}]),
    "others of a kind": ({**object_of(a=I), "additionalProperties": S}, [{"a": 1, "b": "x"}], [{"a": 1, "b": 2}]),
    "closed": ({"type": "object", "additionalProperties": False}, [{}], [{"x": 1}]),
    "closed and empty": ({"type": "object", "properties": {}, "additionalProperties": False}, [{}], [{"x": 1}]),
    "optional ones in order": ({**object_of(a=I, b=I, c=I), "required": ["b"]}, [{"b": 1}, {"a": 1, "b": 1, "c": 1}], [{"a": 1}, {"c": 1}]),
    "a property that is never there": ({"type": "object", "properties": {"a": I, "b": False}}, [{"a": 1}, {}], [{"b": 1}]),
    "a property that is {not: {}}": ({"type": "object", "properties": {"a": I, "b": {"not": {}}}}, [{"a": 1}, {}], [{"b": 1}]),
    "a required name without a schema": ({**object_of(a=I), "required": ["a", "z"]}, [{"a": 1, "z": [2]}], [{"a": 1}]),
    "required alone": ({"required": ["a"]}, [{"a": 1}, 5], [{}]),
    "odd names": (object_of(**{'ü "q"\\': I, "a\nb": I, "</x>": I}), [{'ü "q"\\': 1, "a\nb": 2, "</x>": 3}], [{"a\nb": 2}]),
    "a map": ({"type": "object", "additionalProperties": I}, [{}, {"a": 1, "ü": 2}], [{"a": "x"}, 1]),
    "a map of strings' names (zod 4)": ({"type": "object", "propertyNames": S, "additionalProperties": I}, [{"a": 1}], [{"a": "x"}]),
    "a map of enumerated names (zod 4)": ({"type": "object", "propertyNames": {"type": "string", "enum": ["a", "b"]}, "additionalProperties": I, "required": ["a"]}, [{"a": 1}, {"a": 1, "b": 2}], [{"b": 1}, {"a": 1, "c": 2}]),
    "a map of names of an enum (pydantic)": ({"type": "object", "propertyNames": {"$ref": "#/$defs/U"}, "additionalProperties": I, "$defs": {"U": {"title": "U", "type": "string", "enum": ["a", "b"]}}}, [{"a": 1, "b": 2}, {}], [{"c": 1}, {"a": "x"}]),
    "a map of names of an enum (pydantic-ai)": ({"type": "object", "properties": {}, "propertyNames": {"$ref": "#/$defs/U"}, "additionalProperties": I, "$defs": {"U": {"type": "string", "enum": ["a", "b"]}}}, [{"a": 1, "b": 2}, {}], [{"c": 1}, {"a": "x"}]),
    "a map of names with a pattern": ({"type": "object", "propertyNames": {"pattern": "^x-"}, "additionalProperties": I}, [{"x-a": 1}, {}], [{"a": 1}, {"x-a": "s"}]),
    "a map of names with a length": ({"type": "object", "propertyNames": {"minLength": 2, "maxLength": 3}, "additionalProperties": I}, [{"ab": 1, "a\nü": 2}], [{"a": 1}, {"abcd": 1}, {"ab": "x"}]),
    "a map of one name": ({"type": "object", "propertyNames": {"const": "a"}}, [{"a": [1]}, {}], [{"b": 1}]),
    "pattern properties": ({"type": "object", "patternProperties": {"^n": I}, "additionalProperties": False}, [{"n1": 1}], [{"n1": "x"}, {"m": 1}]),
    "named properties that a pattern matches": ({"type": "object", "properties": {"x-a": {"maximum": 9}, "b": I}, "patternProperties": {"^x": {"type": "integer", "minimum": 2}, "^b": {"maximum": 5}}}, [{"x-a": 2, "b": 0}, {"x-z": 99}], [{"x-a": 1}, {"x-a": 10}, {"x-a": "x"}, {"b": 6}]),
    "at least one of the named": ({"type": "object", "properties": {"a": I, "b": I}, "minProperties": 1}, [{"a": 1}, {"b": 1}, {"a": 1, "b": 2}], [{}]),
    "a map with a least and a most": ({"type": "object", "additionalProperties": I, "minProperties": 1, "maxProperties": 2}, [{"a": 1}], [{}, {"a": 1, "b": 1, "c": 1}]),
    "a property that needs another (draft 7)": ({**object_of(a=I, b=I), "required": [], "dependencies": {"a": ["b"]}}, [{"a": 1, "b": 1}, {"b": 1}, {}], [{"a": 1}]),
    "a property that needs another": ({**object_of(a=I, b=I), "required": [], "dependentRequired": {"a": ["b"]}}, [{"a": 1, "b": 1}, {}], [{"a": 1}]),
    "a property that needs a schema": ({**object_of(a=I, b={}), "required": [], "dependentSchemas": {"a": {"properties": {"b": S}}}}, [{"a": 1, "b": "x"}, {"b": 1}], [{"a": 1, "b": 1}]),
    "unevaluated, alone": ({"type": "object", "properties": {"a": I}, "unevaluatedProperties": False}, [{"a": 1}], [{"b": 1}]),
    # neighbours of combinations
    "anyOf of required names": ({**object_of(a=I, b=I), "required": [], "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, [{"a": 1}, {"b": 1}], [5, {}, {"a": "x"}]),
    "anyOf beside properties": ({**object_of(k=S), "anyOf": [object_of(a=I), object_of(b=I)]}, [{"k": "x", "a": 1}, {"k": "x", "b": 1}], [{"a": 1}, {"k": "x"}]),
    "oneOf, told apart by a constant": ({"oneOf": [object_of(k={"const": "a"}, x=I), object_of(k={"const": "b"}, x=S)]}, [{"k": "a", "x": 1}, {"k": "b", "x": "s"}], [{"k": "a", "x": "s"}]),
    "oneOf beside anyOf": ({"oneOf": [I, S], "anyOf": [{"maximum": 5}, {"minLength": 2}]}, [3, "ab"], [True]),
    "$ref beside properties": ({"$ref": "#/$defs/A", "properties": {"b": I}, "required": ["b"], "$defs": {"A": object_of(a=I)}}, [{"a": 1, "b": 2}], [{"a": 1}]),
    "$ref beside a length": ({"$ref": "#/$defs/A", "maxLength": 2, "$defs": {"A": S}}, ["ab"], ["abc"]),
    "allOf of objects": ({"allOf": [object_of(a=I), object_of(b=I)]}, [{"a": 1, "b": 2}], [{"a": 1}, {"b": 1}]),
    "allOf: both constrain a": ({"allOf": [object_of(a={"enum": ["x", "y"]}), object_of(a=S)]}, [{"a": "x"}], [{"a": "q"}]),
    "allOf of enums": ({"allOf": [{"enum": [1, 2]}, {"enum": [2, 3]}]}, [2], [1, 3]),
    "a description in allOf (pydantic 1)": (object_of(x={"allOf": [{"$ref": "#/d/A"}], "description": "."}) | {"d": {"A": object_of(a=I)}}, [{"x": {"a": 1}}], [{"x": {"a": 1, "b": 2}}]),
    "an alternative that is never": ({"anyOf": [{"not": {}}, False, S]}, ["x"], [5]),
    "if true": ({"if": True, "then": I, "else": S}, [1], ["x"]),
    # references
    "recursive": ({"$ref": "#/$defs/N", "$defs": {"N": {"type": "object", "properties": {"v": I, "next": {"anyOf": [{"$ref": "#/$defs/N"}, N]}}, "required": ["v"]}}}, [{"v": 1}, {"v": 1, "next": {"v": 2, "next": None}}], [{"v": 1, "next": {}}]),
    "recursive through allOf": ({"$ref": "#/d/N", "d": {"N": {"type": "object", "properties": {"v": I, "next": {"allOf": [{"$ref": "#/d/N"}]}}, "required": ["v"]}}}, [{"v": 1, "next": {"v": 2}}], [{"v": 1, "next": {}}]),
    "through a list": ({"type": "object", "properties": {"x": {"anyOf": [S, N]}, "y": {"$ref": "#/properties/x/anyOf/0"}}}, [{"x": None, "y": "a"}], [{"y": 1}]),
    "percent-encoded": ({"$ref": "#/$defs/a%20b", "$defs": {"a b": I}}, [1], ["x"]),
    "an anchor": ({"$ref": "#n", "$defs": {"x": {"$anchor": "n", **I}}}, [1], ["x"]),
    "an anchor of draft 4": ({"$ref": "#n", "definitions": {"x": {"id": "#n", **I}}}, [1], ["x"]),
    "the schema's own $id": ({"$id": "http://x/y", "$ref": "http://x/y#/$defs/n", "$defs": {"n": I}}, [1], ["x"]),
    "to false": ({"anyOf": [{"$ref": "#/$defs/f"}, I], "$defs": {"f": False}}, [1], ["x"]),
    "draft 7: neighbours of $ref do not count": ({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/d/n", "maximum": 3, "d": {"n": I}}, [5], ["x"]),
    # values
    "type narrows enum": ({"type": "string", "enum": ["a", 1, None]}, ["a"], [1, None]),
    "an empty enum": ({"type": "array", "items": {"enum": []}}, [[]], [[1]]),
    "constants of any kind": ({"enum": [1.5, {"a": [True]}, None, "ü\u2028\n"]}, [1.5, {"a": [True]}, None, "ü\u2028\n"], [1, {"a": [1]}]),
    "nullable": ({"type": "object", "properties": {"a": {**I, "nullable": True}}, "required": ["a"]}, [{"a": 1}, {"a": None}], [{"a": "x"}]),
    "types in capitals": ({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}, [{"a": "x"}], [{"a": 1}]),
    "twice the same type": ({"type": ["object", "object"], "properties": {"a": I}}, [{"a": 1}], [{"a": "x"}]),
    "booleans": (object_of(a=True, b={}), [{"a": [{}], "b": None}], [{"a": 1}]),
    "every safe integer (zod 4)": ({"type": "integer", "minimum": -(2**53) + 1, "maximum": 2**53 - 1}, [5, -5, 2**53 - 1], [2**53, "x"]),
    "integers of 64 bits": (I, [2**63 - 1, -(2**63) + 1024, 0], [2**63, 10**30]),
    "bounds": ({"type": "integer", "minimum": 3, "exclusiveMaximum": 6}, [3, 5], [2, 6]),
    "bounds of draft 4": ({"type": "integer", "minimum": 3, "exclusiveMinimum": True}, [4], [3]),
    "bounds beyond 64 bits": ({"type": "number", "exclusiveMinimum": -1e30, "maximum": 2**64}, [5, 0.5, -5], ["x"]),
    "bounds beyond 64 bits, of any type": ({"exclusiveMaximum": 1e26, "minimum": 3}, [5, "x"], [2]),
    "equal bounds in many places": (object_of(a={**I, "minimum": 2}, b={**I, "minimum": 2}, c={"anyOf": [{**I, "minimum": 2}, N]}), [{"a": 2, "b": 3, "c": None}], [{"a": 2, "b": 1, "c": 2}, {"a": 2, "b": 2, "c": 1}]),
    "bounds of numbers": ({"type": "number", "minimum": 0, "maximum": 1}, [0, 0.5, 1], [-0.1, 1.01]),
    "multiples": ({"type": "integer", "multipleOf": 5}, [10, 0], [3]),
    # strings
    "length in characters": ({"type": "string", "minLength": 2, "maxLength": 3}, ["😀😀", "abc"], ["😀", "abcd"]),
    "a length as 2.0": ({"type": "string", "minLength": 2.0}, ["ab"], ["a"]),
    "a pattern": ({"type": "string", "pattern": "^a+$"}, ["aa"], ["", "b", "ab"]),
    "a pattern anywhere": ({"type": "string", "pattern": "b"}, ["abc"], ["ac"]),
    "a pattern and a length": ({"type": "string", "pattern": "^a+$", "maxLength": 2}, ["aa"], ["aaa", "b"]),
    "a duration (zod 4)": ({"type": "string", "format": "duration", "pattern": r"^P(?:(\d+W)|(?!.*W)(?=\d|T\d)(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d+)?S)?)?)$"}, ["P2W", "PT5S"], ["P", "2W"]),
    "a host (zod 4)": ({"type": "string", "format": "hostname", "pattern": r"^(?=.{1,253}\.?$)[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[-0-9a-zA-Z]{0,61}[0-9a-zA-Z])?)*\.?$"}, ["a.de"], ["-a", ""]),
    "a prefix (zod 4)": ({"type": "string", "format": "starts_with", "pattern": "^a.*"}, ["ab"], ["ba"]),
    "an e-mail address (zod 4)": ({"type": "string", "format": "email", "pattern": "^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$"}, ["a.b@c.de"], [".a@c.de", "a..b@c.de", "a"]),
    "a date": ({"type": "string", "format": "date"}, ["2026-11-28"], ["2026-13-01", "x"]),
    "an address of the web": ({"type": ["string", "null"], "format": "uri"}, ["https://x.org/a?b=%20#c", None], ["x", "https://x y"]),
    "a pattern that only a reference names": ({"$ref": "#/parts/x", "parts": {"x": {"type": "string", "pattern": "^a$"}}}, ["a"], ["b"]),
    # arrays
    "items": ({"type": "array", "items": I, "minItems": 1, "maxItems": 2}, [[1], [1, 2]], [[], [1, 2, 3], ["x"]]),
    "items without a type": ({"items": I}, [[1], [], "x"], [["x"]]),
    "a tuple": ({"type": "array", "prefixItems": [I, S], "items": False, "minItems": 2}, [[1, "x"]], [["x", 1], [1], [1, "x", 2]]),
    "a tuple of draft 7": ({"type": "array", "items": [I, S], "additionalItems": False, "minItems": 2}, [[1, "x"]], [[1], [1, "x", 2]]),
    "a tuple and the rest": ({"type": "array", "items": [I], "additionalItems": S}, [[1, "x", "y"], []], [[1, 2]]),
    "a set of words (pydantic)": ({"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b", "c"], "type": "string"}, "minItems": 1}, [["a"], ["c", "a", "b"]], [[], ["a", "a"], ["d"], "a"]),
    "a set of words that a reference names": ({"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/W"}, "$defs": {"W": {"title": "W", "enum": ["a", "b"]}}}, [[], ["b", "a"]], [["a", "b", "a"]]),
    "pairs of many words": ({"type": "array", "uniqueItems": True, "maxItems": 2, "items": {"enum": list("abcdefgh")}}, [["a", "h"], []], [["a", "a"], ["a", "b", "c"]]),
    "a set of truths": ({"type": "array", "uniqueItems": True, "items": {"type": "boolean"}}, [[True, False], []], [[True, True], [1]]),
    "a set of constants": ({"type": "array", "uniqueItems": True, "items": {"enum": [0, False, None]}}, [[0, False], [None, 0]], [[0, 0]]),
    "a tuple without repetition": ({"type": "array", "uniqueItems": True, "prefixItems": [{"const": "a"}, {"enum": ["a", "b"]}], "items": False}, [["a", "b"], ["a"]], [["a", "a"], ["b"]]),
    "at most one": ({"type": "array", "uniqueItems": True, "maxItems": 1, "items": S}, [["a"]], [["a", "b"]]),
    # encodings
    "base64": ({**S, "contentEncoding": "base64"}, ["", "YQ==", "YWI=", "YWJj"], ["YQ", "a b="]),
    "base64 as zod writes it": ({**S, "format": "base64", "contentEncoding": "base64", "pattern": "^$|^(?:[0-9a-zA-Z+/]{4})*(?:(?:[0-9a-zA-Z+/]{2}==)|(?:[0-9a-zA-Z+/]{3}=))?$"}, ["", "YQ=="], ["YQ"]),
    "encodings are annotations since 2019": ({"$schema": "https://json-schema.org/draft/2020-12/schema", **S, "contentEncoding": "x", "contentMediaType": "application/json"}, ["-"], [1]),
    "a class without a quote": ({**S, "pattern": '^[^"]$'}, ["a", "\\", "\n"], ['"', "ab"]),
    "a class without a backslash": ({**S, "pattern": r"^[^\\]+$"}, ["a", '"', "\n\t"], ["a\\b", ""]),
    "no white space, as in ECMAScript": ({**S, "pattern": r"^\S$"}, ["a", "\x00"], [" ", "\ufeff"]),
    # keywords without an effect
    "nothing is asked": ({**I, "minProperties": 0, "uniqueItems": False, "contains": None, "if": True, "not": False, "x-guidance": {"lenient": True}}, [5], ["x"]),
}  # fmt: skip


@pytest.mark.parametrize("case", EXACT)
def test_a_grammar_accepts_exactly_the_valid_values(case):
    schema, valid, invalid = EXACT[case]
    grammar = schema_grammar(schema, strict=True)

    assert {text_of(value): accepts(grammar, text_of(value)) for value in valid} == {
        text_of(value): True for value in valid
    }
    assert {text_of(value): accepts(grammar, text_of(value)) for value in invalid} == {text_of(value): False for value in invalid}  # fmt: skip


@pytest.mark.parametrize("text", ["1e999", "-1e308", "1E5", "9" * 30, "01", "1."])
@pytest.mark.parametrize("schema", [{"type": "number"}, {}, {"type": ["integer", "null"]}])
def test_a_number_is_one_that_readers_represent(schema, text):
    assert not accepts(schema_grammar(object_of(a=schema)), f'{{"a":{text}}}')
    assert accepts(schema_grammar(object_of(a=schema)), '{"a":-12345678901}')


@pytest.mark.parametrize(
    "text", ['{ "a":1}', '{"a": 1}', '{"a":1 }', '{"a":\n1}', ' {"a":1}', '{"a":1}\n\n\n']
)
def test_there_is_no_white_space(text):
    assert not accepts(schema_grammar(object_of(a=I)), text)


UNENFORCED = {
    "patternProperties": {"properties": {"a": I}, "patternProperties": {"^(a*)*$": S}},
    "uniqueItems": {"type": "array", "uniqueItems": True},
    "not": {"not": {"pattern": "^a"}},
    "contains": {"contains": I},
    "if": {"if": {"pattern": "^a"}, "then": {"minLength": 2}},
    "oneOf": {"oneOf": [I, {"type": "number"}]},
    "format": {"type": "string", "format": "iri"},
    "pattern": {"type": "string", "pattern": "^(?!x)"},
    "propertyNames": {"propertyNames": {"format": "email"}},
    "contentEncoding": {"type": "string", "contentEncoding": "quoted-printable"},
    "contentMediaType": {"type": "string", "contentMediaType": "application/json"},
    "maxProperties": {"type": "object", "properties": {"a": I, "b": I}, "maxProperties": 1},
    "maxItems": {"type": "array", "maxItems": 10**12},
    "const": {"const": 2**60 + 1},
    "enum": {"enum": [{"a": [2**60 + 1]}]},
    "unevaluatedProperties": {"allOf": [object_of(a=I)], "unevaluatedProperties": False},
    "$dynamicRef": {"$dynamicRef": "#x"},
}


@pytest.mark.parametrize("keyword", UNENFORCED)
def test_what_cannot_be_enforced_is_named_and_left_out_and_with_strict_rejected(keyword):
    schema = {"type": "object", "properties": {"x": UNENFORCED[keyword]}}
    rewriter = SchemaRewriter(schema, "s")

    assert VALIDATOR.error(grammar_of_rewritten(rewriter.rewrite(schema, "s"))) == ""
    assert rewriter.unenforced == [f"s.properties.x.{keyword}"]
    with pytest.raises(
        RequestError, match=re.escape(f"schema.properties.x.{keyword} cannot be enforced")
    ) as caught:
        schema_grammar(schema, strict=True)
    assert caught.value.code == "1212"


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "string", "pattern": "(["}, "properties.x.pattern"),
        ({"patternProperties": {"^a": I, "a$": S}}, "properties.x.patternProperties"),
        ({"allOf": [{"$ref": "#/properties/x"}]}, "properties.x"),
        ({"type": "object", "properties": {"a": False}, "required": ["a"]}, "properties.x"),
        ({"$ref": "https://elsewhere.org/schema"}, "properties.x.$ref"),
    ],
)
def test_what_cannot_be_compiled_is_rejected_with_its_place(schema, place):
    with pytest.raises(RequestError) as caught:
        schema_grammar({"type": "object", "properties": {"y": S, "x": schema}, "required": ["x"]})

    assert caught.value.code == "1212"
    assert f"response_format.json_schema.schema.{place}" in caught.value.message


@pytest.mark.parametrize(
    ("part", "place"),
    [
        (5, " is 5"),
        ({"properties": [1]}, ".properties is [1]"),
        ({"properties": {"a": 5}}, ".properties.a is 5"),
        ({"type": "any"}, '.type is "any"'),
        ({"type": ["string", 5]}, ".type is"),
        ({"anyOf": []}, ".anyOf is []"),
        ({"anyOf": [{"oneOf": 5}]}, ".anyOf[0].oneOf is 5"),
        ({"items": {"minItems": "two"}}, '.items.minItems is "two"'),
        ({"minItems": 5, "maxItems": 2}, ".minItems is 5"),
        ({"minLength": -1}, ".minLength is -1"),
        ({"minLength": 1.5}, ".minLength is 1.5"),
        ({"multipleOf": 0}, ".multipleOf is 0"),
        ({"pattern": 5}, ".pattern is 5"),
        ({"required": 5}, ".required is 5"),
        ({"required": [[]]}, ".required is [[]]"),
        ({"type": [[]]}, ".type is [[]]"),
        ({"uniqueItems": 1}, ".uniqueItems is 1"),
        ({"$ref": 5}, ".$ref is 5"),
        ({"$ref": "#/$defs/nothing"}, '.$ref is "#/$defs/nothing"'),
    ],
)
@pytest.mark.parametrize(
    ("schema", "where"),
    [
        (lambda part: {"properties": {"x": part}}, ".properties.x"),
        (lambda part: {"$ref": "#/parts/x", "parts": {"x": part}}, ".parts.x"),
        (lambda part: {"items": [{}, part]}, ".items[1]"),
        (lambda part: {"oneOf": [object_of(k={}), part]}, ".oneOf[1]"),
        (lambda part: {"oneOf": [object_of(k={}), {"$ref": "#/$defs/x"}], "$defs": {"x": part}}, ".$defs.x"),
        (lambda part: {"patternProperties": {"^a": part}}, ".patternProperties.^a"),
        (lambda part: {"if": {"minimum": 1}, "then": part}, ".then"),
        (lambda part: {"if": {"minimum": 1}, "else": {"items": part}}, ".else.items"),
        (lambda part: {"type": "string", "not": {"not": {"items": part}}}, ".not.items"),
    ],
)
def test_an_invalid_schema_is_rejected_with_its_place(schema, where, part, place):
    with pytest.raises(RequestError) as caught:
        schema_grammar(schema(part))

    assert caught.value.code == "1214"
    assert f"response_format.json_schema.schema{where}{place}" in caught.value.message


def nested(levels, schema):
    part = {"type": "string"}
    for _ in range(levels):
        part = schema(part)
    return part


def test_deep_nesting_is_accepted():
    schema = nested(120, lambda part: {"type": "array", "items": part})

    assert accepts(schema_grammar(schema), "[" * 120 + '"x"' + "]" * 120)


DRIVE_BY = {
    "equal types": nested(30, lambda part: {"type": ["object", "object"], **object_of(a=part)}),
    "seven equal types": nested(8, lambda part: {"type": ["object"] * 7, **object_of(a=part)}),
    "doubling references": {
        "$ref": "#/$defs/0",
        "$defs": {str(at): {"allOf": [{"$ref": f"#/$defs/{at + 1}"}] * 2} for at in range(30)} | {"30": S},
    },
    "references to every level": {
        "anyOf": [{"$ref": "#" + "/items" * at} for at in range(300)],
        **nested(300, lambda part: {"items": part}),
    },
    "many subschemas": {"anyOf": [{"maxLength": at} for at in range(30_000)]},
    "alternatives of alternatives": nested(
        6, lambda part: {"allOf": [{"anyOf": [part, {"type": "null"}]}] * 4}
    ),
    "many items": {"type": "array", "items": S, "minItems": 10**9},
    "long repetitions": {"type": "string", "pattern": "^((a{1,1000}){1,1000}){1,1000}$"},
}


@pytest.mark.parametrize("case", DRIVE_BY)
def test_a_schema_that_grows_is_compiled_or_rejected(case):
    """One of 2.3 kB once stopped the server."""
    with suppress(RequestError):
        schema_grammar(DRIVE_BY[case])

    assert VALIDATOR.error('%llguidance {}\nstart: "a"\n') == ""


KEYS = st.sampled_from(["a", "b"])
LEAVES = st.sampled_from([S, I, N, True, False, {}, {"const": 1}, {"enum": ["x", None]}, {"$ref": "#"}, {"$ref": "#/properties/a"}, {"pattern": "^x"}, {"minimum": 1}])  # fmt: skip
SCHEMAS = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.builds(
            lambda properties, **fields: {"type": "object", "properties": properties, **fields},
            st.dictionaries(KEYS, parts),
            required=st.lists(KEYS, unique=True),
        ),
        st.builds(
            lambda key, items: {key: items},
            st.sampled_from(["anyOf", "oneOf", "allOf", "prefixItems"]),
            st.lists(parts, min_size=1, max_size=3),
        ),
        st.builds(
            lambda key, part: {key: part},
            st.sampled_from(["items", "not", "additionalProperties", "if", "propertyNames"]),
            parts,
        ),
        st.builds(
            lambda one, other: {**one, **other} if isinstance(one, dict) and isinstance(other, dict) else one,
            parts,
            parts,
        ),
    ),
    max_leaves=8,
)


@given(SCHEMAS)
def test_any_schema_is_compiled_or_rejected_with_a_place(schema):
    message = ""
    try:
        schema_grammar(schema)
    except RequestError as error:
        message = f"{error.code} {error.message}"

    assert re.match(r"121[24] response_format\.json_schema\.schema|$", message)
