"""Forced calls: what a value may be in markup is what the parser reads as a valid value."""

import pytest

from grammars import accepts, call_grammar, generation, glm_call, object_of, read_arguments, tool
from headrace.engines.protocols.structure import Structure
from headrace.errors import RequestError
from headrace.formats import FORMATS

S, I, N = {"type": "string"}, {"type": "integer"}, {"type": "null"}  # noqa: E741
DEFS = {
    "Unit": {"type": "string", "enum": ["C", "F"]},
    "Point": object_of(x=I),
    "Short": {**S, "maxLength": 2},
}

VALUES = {
    "a string": (S, {"": "", " 7 ": " 7 ", "null": "null", '"q"': '"q"', "[1]": "[1]", "a\n": "a\n"}, []),
    "an enum behind a reference": ({"$ref": "#/$defs/Unit"}, {"C": "C"}, ['"C"', "K", ""]),
    "an optional enum": ({"anyOf": [{"$ref": "#/$defs/Unit"}, N]}, {"C": "C", "null": None}, ['"C"', "K"]),
    "an optional integer": ({"anyOf": [I, N]}, {"3": 3, "null": None}, ["soon", "", "true"]),
    "a list of types": ({"type": ["integer", "null"]}, {"3": 3, "null": None}, ["soon"]),
    "a nullable enum": ({"type": ["string", "null"], "enum": ["a", None]}, {"a": "a", "null": None}, ["b"]),
    "OpenAPI's nullable": ({**I, "nullable": True}, {"3": 3, "null": None}, ["x"]),
    "numbers": ({"enum": [1, 2]}, {"1": 1, "2": 2}, ["3", "one"]),
    "a constant": ({"const": 5}, {"5": 5}, ["6", "x"]),
    "constants of two kinds": ({"enum": ["x", 8, None]}, {"x": "x", "8": 8, "null": None}, ["y", "9"]),
    "oneOf of constants": ({"oneOf": [{"const": "a"}, {"const": "b"}]}, {"a": "a", "b": "b"}, ["c"]),
    "an optional list": ({"anyOf": [{"type": "array", "items": I}, N]}, {"[1]": [1], "null": None}, ["one", "[x]"]),
    "an object behind allOf": ({"allOf": [{"$ref": "#/$defs/Point"}]}, {'{"x":1}': {"x": 1}}, ["{}", "x"]),
    "a string or a number": ({"type": ["string", "number"]}, {"x": "x", "7": 7}, []),
    "a reference with an escape": ({"$ref": "#/$defs/Uni%74"}, {"C": "C"}, ["K"]),
    "a length": ({"type": "string", "minLength": 2, "maxLength": 3}, {"ab": "ab", "😀😀": "😀😀"}, ["a", "abcd"]),
    "a pattern": ({"type": "string", "pattern": "^[a-z/]+$"}, {"a/b": "a/b"}, ["7", "", "a\n"]),
    "a pattern without anchors": ({"type": "string", "pattern": "b|^c"}, {"abc": "abc", "cd": "cd", "b</": "b</"}, ["a", "xc"]),
    "a pattern and a length": ({"type": "string", "pattern": "^[^b]*$", "maxLength": 2}, {"aa": "aa"}, ["ab", "aaa"]),
    "a pattern and a great length": ({"type": "string", "pattern": "^[^b]*$", "maxLength": 4000}, {"aa": "aa"}, ["ab"]),
    "a great length": ({"type": "string", "maxLength": 4000}, {"aa": "aa"}, ["a" * 4001]),
    "a format": ({"anyOf": [{"type": "string", "format": "date"}, N]}, {"2024-02-29": "2024-02-29", "null": None}, ["2023-02-29", "x"]),
    "constraints of several schemas": ({"allOf": [{"$ref": "#/$defs/Short"}, {"pattern": "^a"}]}, {"ab": "ab"}, ["b", "abc"]),
    "a format that zod names": ({"type": "string", "format": "hex", "pattern": "^[0-9a-f]*$"}, {"0f": "0f"}, ["x"]),
    "bounds": ({"type": "integer", "minimum": 1, "maximum": 3}, {"1": 1}, ["0", "4"]),
    "a boolean": ({"type": "boolean"}, {"true": True}, ["True", "yes"]),
}  # fmt: skip


@pytest.mark.parametrize("case", VALUES)
def test_a_forced_argument_is_valid(case):
    part, right, wrong = VALUES[case]
    parameters = {**object_of(x=part), "$defs": DEFS}
    grammar = call_grammar(parameters)

    for text, value in right.items():
        assert accepts(grammar, glm_call(x=text)), text
        assert read_arguments(parameters, glm_call(x=text)) == {"x": value}
    for text in wrong:
        assert not accepts(grammar, glm_call(x=text)), text


ROOTS = {
    "a reference": {"$ref": "#/$defs/A", "$defs": {"A": object_of(x=I)}},
    "allOf": {"allOf": [object_of(x=I)]},
    "allOf of two": {"allOf": [{"properties": {"x": {"minimum": 0}}}, object_of(x=I)]},
    "properties": object_of(x=I),
}


@pytest.mark.parametrize("case", ROOTS)
def test_the_arguments_are_found(case):
    grammar = call_grammar(ROOTS[case])

    assert accepts(grammar, glm_call(x="1"))
    assert not accepts(grammar, glm_call())
    assert not accepts(grammar, glm_call(x="one"))


def test_alternatives_of_arguments_are_alternatives():
    grammar = call_grammar({**object_of(k=S), "anyOf": [object_of(a=I), object_of(b={"const": "z"})]})

    assert accepts(grammar, glm_call(k="x", a="1"))
    assert accepts(grammar, glm_call(k="x", b="z"))
    assert not accepts(grammar, glm_call(k="x"))
    assert not accepts(grammar, glm_call(a="1"))


def test_optional_and_unnamed_arguments():
    optional = call_grammar(
        {"type": "object", "properties": {"a": I, "b": False, "c": I}, "required": ["c", "d"]}
    )

    assert accepts(optional, glm_call(c="1", d="anything"))
    assert accepts(optional, glm_call(a="1", c="1", d="[]"))
    assert not accepts(optional, glm_call(c="1"))
    assert not accepts(optional, glm_call(b="1", c="1", d=""))


def test_a_map_has_any_names():
    grammar = call_grammar({"type": "object", "additionalProperties": I})

    assert accepts(grammar, glm_call())
    assert accepts(grammar, glm_call(a="1", b="2"))
    assert not accepts(grammar, glm_call(a="x"))
    assert not accepts(call_grammar({"type": "object", "additionalProperties": False}), glm_call(a="1"))


def test_arguments_as_json_are_an_object_of_the_schema():
    text = '<tool_call>\n{{"name": "f", "arguments": {}}}\n</tool_call>'
    closed = call_grammar({"type": "object", "properties": {}, "additionalProperties": False}, "qwen3")
    reference = call_grammar(ROOTS["a reference"], "qwen3")

    assert accepts(closed, text.format("{}"))
    assert not accepts(closed, text.format('{"x":1}'))
    assert accepts(reference, text.format('{"x":1}'))
    assert not accepts(reference, text.format("5"))
    assert not accepts(call_grammar({}, "qwen3"), text.format("5"))


def test_only_the_tools_that_may_be_called_are_looked_at():
    other = tool({"type": "any"}, "g")
    grammar = call_grammar(object_of(x=I), "glm-4.6", other)

    assert accepts(grammar, glm_call(x="1"))
    with pytest.raises(RequestError, match=r"tools\[1\]\.function\.parameters\.type") as caught:
        call_grammar(object_of(x=I), "glm-4.6", other, choice="required")
    assert caught.value.code == "1214"


def test_required_allows_several_calls_and_a_named_tool_one():
    both = glm_call(x="1") + "\n" + glm_call("g")

    assert accepts(call_grammar(object_of(x=I), "glm-4.6", tool({}, "g"), choice="required"), both)
    assert not accepts(call_grammar(object_of(x=I), "glm-4.6", tool({}, "g")), both)


def test_strict_parameters_are_enforced_exactly_or_rejected():
    odd = object_of(x={"type": "string", "pattern": "^(?!a)"})
    request = generation(tools=[tool(odd)], tool_choice="required").request

    assert Structure(request, FORMATS["glm-4.6"]).unenforced == (
        "tools[0].function.parameters.properties.x.pattern",
    )
    fine = object_of(x={"type": "string", "pattern": "^a"})
    request = generation(tools=[tool(fine)], tool_choice="required").request
    for family in ("glm-4.6", "qwen3"):
        assert Structure(request, FORMATS[family]).unenforced == ()
    with pytest.raises(RequestError, match=r"properties\.x\.pattern cannot be enforced") as caught:
        call_grammar(odd, strict=True)
    assert caught.value.code == "1212"


@pytest.mark.parametrize(
    "root",
    [
        {"allOf": [{"anyOf": [{"required": [name]} for name in "abcde"]}] * 3},
        {"allOf": [{"$ref": "#"}]},
        {"$ref": "#"},
    ],
)
def test_too_many_alternatives_are_rejected(root):
    with pytest.raises(RequestError, match=r"tools\[0\]\.function\.parameters") as caught:
        call_grammar(root)

    assert caught.value.code == "1212"
