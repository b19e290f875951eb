import pytest

from headrace.parsing.schema import ANY, ParametersSchema


def names(schema, root=None):
    return set(ParametersSchema({"properties": {"x": schema}, **(root or {})}).types_of("x").names)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {"string"}),
        ({"type": "integer"}, {"number"}),
        ({"type": ["string", "null"]}, {"string", "null"}),
        ({"type": "string", "nullable": True}, {"string", "null"}),
        ({"enum": ["a", 1, None]}, {"string", "number", "null"}),
        ({"const": True}, {"boolean"}),
        ({"const": [1]}, {"array"}),
        ({"const": {}}, {"object"}),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"string", "number"}),
        ({"oneOf": [{"type": "array"}, {"type": "null"}]}, {"array", "null"}),
        ({"allOf": [{"type": ["integer", "string"]}, {"type": "integer"}]}, {"number"}),
        ({"type": "string", "anyOf": [{"minLength": 1}, {"maxLength": 3}]}, {"string"}),
    ],
)
def test_a_schema_restricts_the_types(schema, expected):
    assert names(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {}, True, None, "string", {"type": "nonsense"}, {"type": 7}, {"type": [{}]}, {"anyOf": []}, {"enum": "a"},
        {"anyOf": "a"}, {"allOf": {"type": "string"}}, {"allOf": [{"type": "string"}, {"type": "object"}]},
        {"$ref": "https://example.org/schema.json"}, {"$ref": 7}, {"$ref": "#/nowhere"}, {"$ref": "#/$defs/list/0"},
    ],
)  # fmt: skip
def test_a_malformed_or_contradictory_schema_allows_every_type(schema):
    assert names(schema, {"$defs": {"list": []}}) == ANY.names


def test_references_are_followed():
    root = {"$defs": {"a/b~c": {"type": "integer"}, "again": {"$ref": "#/$defs/a~1b~0c"}}}

    assert names({"$ref": "#/$defs/again"}, root) == {"number"}


def test_a_schema_may_refer_to_itself():
    tree = {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Tree"}]}

    assert names({"$ref": "#/$defs/Tree"}, {"$defs": {"Tree": tree}}) == ANY.names
    assert names({"$ref": "#/$defs/Loop"}, {"$defs": {"Loop": {"$ref": "#/$defs/Loop"}}}) == ANY.names
    assert ParametersSchema({"allOf": [{"$ref": "#"}]}).types_of("x") == ANY


def test_a_schema_that_doubles_at_every_level_is_read_in_linear_time():
    levels = {f"l{i}": {"anyOf": [{"$ref": f"#/$defs/l{i + 1}"}] * 2} for i in range(60)}

    assert names({"$ref": "#/$defs/l0"}, {"$defs": levels}) == ANY.names
    root = {"anyOf": [{"$ref": "#/$defs/l0"}] * 2, "$defs": levels}
    assert ParametersSchema(root).types_of("x") == ANY


def test_a_deeply_nested_schema_does_not_raise():
    schema = {"type": "string"}
    for _ in range(5000):
        schema = {"anyOf": [schema]}

    assert names(schema) == ANY.names
    assert ParametersSchema(schema).types_of("x") == ANY


def test_arguments_are_found_through_combinations_of_objects():
    text, number = ({"properties": {"x": {"type": kind}}} for kind in ("string", "integer"))

    assert ParametersSchema({"oneOf": [text, number]}).types_of("x").names == {"string", "number"}
    assert ParametersSchema({"allOf": [{"properties": {}}, text]}).types_of("x").names == {"string"}
    assert ParametersSchema({"properties": []}).types_of("x") == ANY


def alternative(k, x):
    return {"type": "object", "properties": {"k": k, "x": {"type": x}}, "required": ["k", "x"]}


@pytest.mark.parametrize("key", ["anyOf", "oneOf"])
def test_a_constant_before_an_argument_tells_the_alternatives_apart(key):
    a, b, c = (
        alternative({"const": "a"}, "string"),
        alternative({"enum": ["b", 7]}, "integer"),
        {"properties": 5},
    )
    schema = ParametersSchema(
        {key: [a, {"$ref": "#/$defs/b"}, c, False, {"properties": {"k": {"enum": 5}}}], "$defs": {"b": b}}
    )

    assert schema.has_alternatives
    assert schema.types_of("x").names == {"string", "number"}
    assert schema.types_of("x", {"k": "a"}).names == {"string"}
    assert schema.types_of("x", {"k": "b", "y": "b"}).names == {"number"}
    assert schema.types_of("x", {"k": "7"}).names == {"number"}
    assert ParametersSchema({key: [a, b]}).types_of("x", {"k": "neither"}).names == {"string", "number"}
    assert not ParametersSchema(a).has_alternatives


def test_unlisted_arguments_have_the_type_of_additional_properties():
    schema = ParametersSchema(
        {"properties": {"x": {"type": "integer"}}, "additionalProperties": {"type": "string"}}
    )

    assert (schema.types_of("x").names, schema.types_of("y").names) == ({"number"}, {"string"})
    assert ParametersSchema({"additionalProperties": False}).types_of("y") == ANY


def test_without_a_schema_every_type_is_allowed():
    assert ParametersSchema(None).types_of("x") == ANY


def test_strings_of_an_enum_that_look_like_another_type_are_listed():
    schema = ParametersSchema({"properties": {"x": {"enum": ["7", 8, "true", "9", 9]}}})

    assert schema.types_of("x").strings == {"7", "true"}


@pytest.mark.parametrize("reference", ["#/properties/y/anyOf/0", "#/$defs/a%20b", "#text", "#/$defs/a b"])
def test_a_reference_leads_through_lists_escapes_and_anchors(reference):
    root = {
        "properties": {"y": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "x": {"$ref": reference}},
        "$defs": {"a b": {"type": "string"}, "c": {"$anchor": "text", "type": "string"}},
    }

    assert ParametersSchema(root).types_of("x").names == {"string"}


def test_an_alternative_that_does_not_name_an_argument_does_not_widen_it():
    root = {
        "anyOf": [{"properties": {"x": {"type": "string"}}}, {"properties": {"y": {}}}, {"required": ["x"]}]
    }

    assert ParametersSchema(root).types_of("x").names == {"string"}
    assert ParametersSchema(root).types_of("z") == ANY


def test_types_may_be_in_capitals():
    assert names({"type": "STRING"}) == {"string"}
    assert names({"type": ["Integer", "NULL"]}) == {"number", "null"}


def test_the_types_of_a_subschema():
    schema = ParametersSchema({"$defs": {"a": {"type": "boolean"}}})

    assert schema.types({"$ref": "#/$defs/a"}).names == {"boolean"}
    assert schema.types({"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]}).names == {"boolean", "null"}
