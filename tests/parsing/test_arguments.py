import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.formats import Encoding
from headrace.parsing.arguments import ArgumentsWriter
from headrace.parsing.schema import ParametersSchema
from strategies import FRAGMENTS, json_values, splits

KINDS = ["string", "integer", "number", "boolean", "null", "object", "array"]


def write(schema, *arguments, encoding=Encoding.BY_SCHEMA):
    """Write arguments, each a key and the parts of its value, as JSON text."""
    writer = ArgumentsWriter(ParametersSchema({"properties": {"x": schema}}))
    text = ""
    for key, parts in arguments:
        text += writer.begin(key, encoding) + "".join(map(writer.feed, parts)) + writer.end()
    return text + writer.finish()


@pytest.mark.parametrize("pieces", [list("aa"), ["aa"]])
def test_the_type_of_a_value_may_depend_on_the_one_before(pieces):
    branches = [
        {"properties": {"k": {"const": "aa"}, "x": {"type": "string"}}},
        {"properties": {"k": {"const": "bb"}, "x": {"type": "integer"}}},
    ]
    writer = ArgumentsWriter(ParametersSchema({"oneOf": branches}))
    text = writer.begin("k") + "".join(map(writer.feed, pieces)) + writer.end()
    text += writer.begin("x") + writer.feed("7") + writer.end() + writer.finish()

    assert json.loads(text) == {"k": "aa", "x": "7"}


def value_of(schema, text, **options):
    return json.loads(write(schema, ("x", [text]), **options))["x"]


@pytest.mark.parametrize(
    "text",
    ["", " Paris \n", "7", "null", "true", '{"a": 1}', '"quoted"', "a\\b\n\t\x00", "</arg_value>", "你好🌟"],
)
def test_a_string_is_verbatim(text):
    assert value_of({"type": "string"}, text) == text


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer"}, "3", 3),
        ({"type": "number"}, " -1.25e2\n", -125.0),
        ({"type": "boolean"}, "true", True),
        ({"type": "boolean"}, "False", False),
        ({"type": "null"}, "None", None),
        ({"type": "object"}, '{"a": [1, "x"]}', {"a": [1, "x"]}),
        ({"type": "array"}, "[]", []),
        ({"type": "array"}, "['a', None]", ["a", None]),
        ({"type": "object"}, "{ }", {}),
        ({"type": ["string", "null"]}, "null", None),
        ({"type": ["string", "null"]}, "nullable", "nullable"),
        ({"type": ["string", "null"]}, '"null"', "null"),
        ({"type": ["string", "null"]}, '"quoted"', '"quoted"'),
        ({"type": ["string", "null"]}, '"', '"'),
        ({"type": ["string", "integer"]}, "7", 7),
        ({"type": ["string", "integer"]}, "7 apples", "7 apples"),
        ({"type": ["string", "integer"]}, "true", "true"),
        ({"type": ["string", "object"]}, '{"ok": false}', {"ok": False}),
        ({"type": ["string", "array"]}, "[draft] text", "[draft] text"),
        ({"type": ["string", "array"]}, "[1] a source", "[1] a source"),
        ({"type": ["string", "array"]}, "[1, 2]", [1, 2]),
        ({"type": ["string", "array"]}, "[[1, 2]]", [[1, 2]]),
        ({"type": ["string", "array"]}, "[[a link]]", "[[a link]]"),
        ({"enum": ["7", 8]}, "7", "7"),
        ({"enum": ["7", 8]}, "8", 8),
        ({"const": "null"}, "null", "null"),
        ({}, "[-0." + "0" * 77 + "1]", [-1e-78]),
        ({}, "[1e9999]", [float("inf")]),
        ({}, "[" * 500 + "]" * 500, json.loads("[" * 500 + "]" * 500)),
        ({}, "[" * 70 + "1" + "]" * 70 + " of them", "[" * 70 + "1" + "]" * 70 + " of them"),
        ({}, "[" * 2000 + "]" * 2000, "[" * 2000 + "]" * 2000),
        ({}, "[NaN]", "[NaN]"),
        ({}, "42", 42),
        ({}, "hello world", "hello world"),
        ({}, "123_456", "123_456"),
        ({}, "2024-06-27", "2024-06-27"),
        ({}, "", ""),
    ],
)
def test_the_schema_determines_the_type(schema, text, value):
    result = value_of(schema, text)

    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer"}, "not a number"),
        ({"type": "integer"}, ""),
        ({"type": "integer"}, "007"),
        ({"type": "number"}, "123abc"),
        ({"type": "number"}, "NaN"),
        ({"type": "number"}, "9" * 65),
        ({"type": "boolean"}, "yes"),
        ({"type": "null"}, "[1]"),
        ({"type": "array"}, "apples, pears"),
        (
            {"type": "array"},
            "[apples and many, many, many, many, many more things than sixty-four characters can tell]",
        ),
        ({"type": "object"}, "{a: 1}"),
        ({"type": ["string", "array"]}, "[" * 65),
        ({"type": ["string", "null"]}, " " * 65 + "null"),
    ],
)
def test_a_value_of_no_allowed_type_is_a_string(schema, text):
    assert value_of(schema, text) == text


@pytest.mark.parametrize("text", ['"42"', ' "42"\n'])
def test_a_number_in_quotes_is_a_number_if_strings_are_not_allowed(text):
    assert value_of({"type": "integer"}, text) == 42


@pytest.mark.parametrize(
    ("encoding", "text", "value"),
    [
        (Encoding.TEXT, "7", "7"),
        (Encoding.TEXT, '"quoted"', '"quoted"'),
        (Encoding.JSON, "7", 7),
        (Encoding.JSON, '"7"', "7"),
        (Encoding.JSON, ' "a\\n\\"b\\""', 'a\n"b"'),
        (Encoding.JSON, '""', ""),
        (Encoding.JSON, "[1]", [1]),
        (Encoding.JSON, "not JSON", "not JSON"),
        (Encoding.JSON_EXCEPT_STRING, "7", 7),
        (Encoding.JSON_EXCEPT_STRING, '"quoted"', '"quoted"'),
        (Encoding.JSON_EXCEPT_STRING, "not JSON", "not JSON"),
    ],
)
@pytest.mark.parametrize("schema", [{"type": "string"}, {"type": "integer"}, {}])
def test_an_encoding_in_the_markup_takes_precedence_over_the_schema(encoding, text, value, schema):
    assert value_of(schema, text, encoding=encoding) == value
    assert json.loads(write(schema, ("x", text), encoding=encoding)) == {"x": value}


@pytest.mark.parametrize(
    ("schema", "parts", "emitted"),
    [
        ({"type": "string"}, ["a", 'b"'], ["a", 'b\\"']),
        ({"type": "array"}, ["[", "1", ", 2"], ["", "[1", ", 2"]),
        ({"type": "object"}, ['{"', 'a": '], ['{"', 'a": ']),
        ({"type": "integer"}, ["1", "2"], ["", ""]),
        ({"type": ["string", "null"]}, ["n", "o", "t"], ["", '"no', "t"]),
        ({}, ["he", "llo"], ['"he', "llo"]),
    ],
)
def test_a_value_is_emitted_as_soon_as_its_type_is_certain(schema, parts, emitted):
    writer = ArgumentsWriter(ParametersSchema({"properties": {"x": schema}}))
    writer.begin("x")

    assert [writer.feed(part) for part in parts] == emitted


def test_no_arguments_are_an_empty_object():
    assert write({}) == "{}"


def test_the_last_of_two_arguments_with_the_same_name_counts():
    assert json.loads(write({"type": "string"}, ("x", "a"), ("x", "b"))) == {"x": "b"}


def test_the_name_of_an_argument_is_escaped():
    assert json.loads(write({}, ('a"\n', "1"))) == {'a"\n': 1}


def test_the_end_of_a_call_closes_an_open_value():
    writer = ArgumentsWriter(ParametersSchema({"properties": {"x": {"type": "string"}}}))

    assert writer.begin("x") + writer.feed("a") + writer.finish() == '{"x":"a"}'


schemas = st.lists(st.sampled_from(KINDS), min_size=1, max_size=4).map(
    lambda types: {"type": types}
) | st.just({})
values = json_values.map(json.dumps) | st.lists(
    st.sampled_from([*FRAGMENTS, "[1, ", '["', " " * 20]), max_size=8
).map("".join)


@given(st.data(), schemas, values)
def test_no_split_changes_the_output(data, schema, text):
    expected = write(schema, ("x", [text]))

    assert write(schema, ("x", text)) == expected
    assert write(schema, ("x", data.draw(splits(text)))) == expected


@given(st.data(), schemas)
def test_json_of_an_allowed_type_keeps_its_value(data, schema):
    value = data.draw(json_values)
    kinds = {str: "string", bool: "boolean", type(None): "null", dict: "object", list: "array"}
    allowed = {"number" if kind == "integer" else kind for kind in schema.get("type", KINDS)}
    kind = kinds.get(type(value), "number")
    if kind in allowed - {"string"} and ("string" not in allowed or kind in ("boolean", "null", "number")):
        assert value_of(schema, json.dumps(value, ensure_ascii=False)) == value
