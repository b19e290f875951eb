"""The grammar follows the format: its thinking tags, how it writes calls, and its markup, which is no text."""

import re

import msgspec
import pytest

from grammars import (
    VALIDATOR,
    accepts,
    after_thinking,
    generation,
    glm_call,
    object_of,
    schema_grammar,
    text_of,
    tool,
)
from headrace.engines.protocols.grammar import answer_grammar
from headrace.engines.protocols.structure import Structure
from headrace.errors import RequestError
from headrace.formats import FORMATS, Format, State
from headrace.wire import decode_request

INVENTED = Format(
    name="invented",
    transitions={},
    thinking_tags=("<muse>", "</muse>"),
    leading_text={State.START: "\n\n", State.OPEN: "\n"},
)
JSON = {"response_format": {"type": "json_object"}}


def grammar_of(format, prompt="", tokens=None, **fields):
    return answer_grammar(generation(prompt, "enabled", **fields), format, VALIDATOR, tokens)


@pytest.mark.parametrize(
    ("format", "prompt", "right", "wrong"),
    [
        (
            INVENTED,
            "",
            ["{}", "\n\n{}", "<muse>a\nb</muse>\n{}", "\n<muse></muse>{}"],
            ["a</muse>{}", "<muse>a", "<muse></muse>\n\n{}"],
        ),
        (INVENTED, "<muse>\n", ["a</muse>{}"], ["{}", "<muse>a</muse></muse>{}"]),
        (INVENTED, "<muse></muse>", ["{}"], ["<muse></muse>{}", "a</muse>{}"]),
        (msgspec.structs.replace(INVENTED, thinking_tags=None), "", ["{}"], ["<muse></muse>{}"]),
        (FORMATS["qwen3-coder"], "", ["{}"], ["<think></think>{}"]),
        (None, "", ["{}"], ["<think></think>{}"]),
    ],
)
def test_thinking_may_precede_a_structured_output(format, prompt, right, wrong):
    grammar = grammar_of(format, prompt, **JSON)

    assert {text: accepts(grammar, text) for text in right} == dict.fromkeys(right, True)
    assert {text: accepts(grammar, text) for text in wrong} == dict.fromkeys(wrong, False)


def test_a_prompt_inside_the_thinking_counts_more_than_the_request():
    inside, before = (
        answer_grammar(generation(prompt, "disabled", **JSON), INVENTED, VALIDATOR, None)
        for prompt in ("<muse>", "Hi")
    )

    assert (accepts(inside, "a</muse>{}"), accepts(inside, "{}")) == (True, False)
    assert (accepts(before, "{}"), accepts(before, "<muse>a</muse>{}")) == (True, False)


@pytest.mark.parametrize("format", [INVENTED, None])
def test_a_call_cannot_be_forced_without_a_syntax_for_it(format):
    with pytest.raises(RequestError, match='supports "auto" and "none" only'):
        grammar_of(format, tools=[tool({})], tool_choice="required")


S = {"type": "string"}
STRUCTURES = {
    "a value": (object_of(a=S), lambda text: {"a": text}),
    "a value with a length": (object_of(a={**S, "maxLength": 60}), lambda text: {"a": text}),
    "a value with a pattern": (object_of(a={**S, "pattern": "."}), lambda text: {"a": text}),
    "an optional value": (object_of(a={"anyOf": [S, {"type": "null"}]}), lambda text: {"a": text}),
    "any value": (object_of(a={}), lambda text: {"a": [{"b": text}]}),
    "a value of a list": (object_of(a={"type": ["array", "null"], "items": S}), lambda text: {"a": [text]}),
    "a value of any list": (object_of(a={"type": "array"}), lambda text: {"a": [1, text]}),
    "a value of any object": (object_of(a={"type": "object"}), lambda text: {"a": {"b": text}}),
    "a name of any object": (object_of(a={"type": "object"}), lambda text: {"a": {text: 1}}),
    "a name of a map": ({"type": "object", "additionalProperties": {"type": "integer"}}, lambda text: {text: 1}),
    "a name beside others": ({**object_of(a=S), "additionalProperties": True}, lambda text: {"a": "", text: 1}),
    "a value of a tuple": ({"type": "array", "prefixItems": [S], "minItems": 1}, lambda text: [text]),
    "a root": (S, lambda text: text),
    "any root": ({}, lambda text: {text: text}),
    "a recursive value": ({"$ref": "#/$defs/n", "$defs": {"n": object_of(a={"anyOf": [{"$ref": "#/$defs/n"}, S]})}}, lambda text: {"a": {"a": text}}),
}  # fmt: skip


def markup_of(format):
    """Delimiters that are no text in JSON; the others are part of the syntax of calls."""
    names = {name.strip() for _, name in format.transitions} | set(format.stop_tokens)
    return [name for name in names if re.match(r'(<[^<"]|\[[A-Z/])[^<\["]+[>\]]', name)]


FAMILIES = {frozenset(markup_of(format)): name for name, format in FORMATS.items()}.values()


@pytest.mark.parametrize("at", [*STRUCTURES, "json_object"])
def test_markup_is_no_text_inside_a_structure(at):
    schema, write = STRUCTURES.get(at, (None, lambda text: {"a": {text: text}}))
    fields = (
        JSON
        if schema is None
        else {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}
    )
    for format in [FORMATS[name] for name in FAMILIES]:
        grammar = grammar_of(format, after_thinking(format), **fields)

        def is_accepted(text, format=format, grammar=grammar):
            return accepts(grammar, format.syntax.answer.replace("{answer}", text_of(write(text))))

        assert is_accepted("a < b <thing> </> [1] <"), format.name
        assert [name for name in markup_of(format) if is_accepted(f"x{name}y")] == [], format.name


CALLS = {
    "glm-4.6": glm_call(a="{}"),
    "glm-4.7": "<tool_call>f<arg_key>a</arg_key><arg_value>{}</arg_value></tool_call>",
    "qwen3": '<tool_call>\n{{"name": "f", "arguments": {{"a":"{}"}}}}\n</tool_call>',
}


@pytest.mark.parametrize("family", CALLS)
def test_markup_is_no_text_inside_a_forced_call_and_the_thinking_before_it(family):
    format = FORMATS[family]
    opening, closing = format.thinking_tags
    fields = {"tools": [tool(object_of(a=S))], "tool_choice": "required"}
    grammar = grammar_of(format, opening, **fields)
    text = "a < b <thing> [1]"

    assert accepts(grammar, text + closing + CALLS[family].format(text))
    for name in markup_of(format):
        assert not accepts(grammar, closing + CALLS[family].format(f"x{name}y")), name
        assert not accepts(grammar, f"x{name}y{closing}{CALLS[family].format('')}"), name


def test_delimiters_are_tokens_where_the_model_has_them():
    tokens = {"<muse>": 7, "</muse>": 8, "<|end|>": 9}
    format = msgspec.structs.replace(INVENTED, stop_tokens=("<|end|>",))
    grammar = grammar_of(format, tokens=tokens, **JSON)

    assert "<[7]>" in grammar
    assert "<[8]>" in grammar
    assert grammar.partition("\n")[2].partition("\n")[0].endswith("( <[9]> )?")
    assert not accepts(grammar, "<muse></muse>{}")
    assert accepts(grammar, "{}")


def test_a_schema_that_nothing_satisfies_is_rejected():
    for schema in (False, {"not": {}}, {"enum": []}):
        with pytest.raises(RequestError, match="no value is valid") as caught:
            schema_grammar(schema)
        assert caught.value.code == "1214"


def test_an_invalid_schema_is_rejected_before_the_engine_is_asked():
    for fields, where in (
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "text"}}}}, "response_format.json_schema.schema.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema is null"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"required": 5}}}], "tool_choice": "required"}, "tools[0].function.parameters.required"),
    ):  # fmt: skip
        request = decode_request(
            msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": "a"}], **fields})
        )
        with pytest.raises(RequestError, match=re.escape(where)) as caught:
            Structure(request, FORMATS["glm-4.6"])
        assert caught.value.code == "1214"


@pytest.mark.parametrize("names", ["properties", "required"])
def test_a_call_with_too_many_arguments_is_rejected_before_its_grammar_is_written(names):
    many = [f"p{number}" for number in range(4097)]
    schema = {"type": "object", names: many if names == "required" else dict.fromkeys(many, True)}
    request = generation(tools=[tool(schema)], tool_choice="required").request
    with pytest.raises(RequestError, match=r"^tools\[0\].function.parameters has 4097 arguments") as caught:
        Structure(request, FORMATS["glm-4.6"])
    assert caught.value.code == "1212"
