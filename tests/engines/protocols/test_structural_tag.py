"""Structural tags accept exactly the answers that a structure allows."""

import json
import re

import pytest

from answers import Call
from dialects import ask, protocol
from grammars import accepts, generation, object_of, schema_grammar, tool, written_calls
from headrace.engines.protocols.structural_tag import structural_tag
from headrace.engines.protocols.structure import Structure
from headrace.errors import RequestError
from headrace.formats import FORMATS

WEATHER = tool(
    {
        "type": "object",
        "properties": {
            "location": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"enum": ["c", "f"]},
            "code": {"type": "string", "minLength": 2, "maxLength": 3},
        },
        "required": ["location"],
    },
    "get_weather",
)
TOOLS = [WEATHER, tool({"type": "object", "properties": {}}, "now")]
ONE = {"type": "function", "function": {"name": "get_weather"}}
THINKING = "\n<think>2 < 3</think>\n"
SCHEMA = object_of(a={"type": "integer"})


def argument(key, value):
    return f"<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n"


def glm(*arguments, name="get_weather"):
    return f"<tool_call>{name}\n{''.join(arguments)}</tool_call>"


ROME = argument("location", "Rome <b>\n1")
NOW = glm(name="now")
QWEN = '<think>\nx\n</think>\n\n<tool_call>\n{"name": "get_weather", "arguments": {"location": "Rome"}}\n</tool_call>'


def ends(node, text, at):
    """The positions where a match of a structural tag's node that starts at `at` can end."""
    match node:
        case {"type": "const_string", "value": value}:
            return {at + len(value)} if text.startswith(value, at) else set()
        case {"type": "any_text", "excludes": [end]}:
            return {to for to in range(at, len(text) + 1) if end not in text[at:to]}
        case {"type": "regex", "pattern": pattern}:
            return {to for to in range(at, len(text) + 1) if re.fullmatch(pattern, text[at:to])}
        case {"type": "json_schema", "json_schema": schema}:
            return {to for to in range(at + 1, len(text) + 1) if is_valid(text[at:to], schema)}
        case {"type": "sequence", "elements": elements}:
            found = {at}
            for element in elements:
                found = {to for start in found for to in ends(element, text, start)}
            return found
        case {"type": "or", "elements": elements}:
            return {to for element in elements for to in ends(element, text, at)}
        case {"type": "star", "content": content}:
            found = new = {at}
            while new := {to for start in new for to in ends(content, text, start)} - found:
                found |= new
            return found
    raise AssertionError(node)


def is_valid(text, schema):
    try:
        compact = json.dumps(json.loads(text), separators=(",", ":"))
    except ValueError:
        return False
    return accepts(schema_grammar(schema), compact)


def accepts_answer(family, prompt, text, thinking="enabled", **fields):
    asked = generation(prompt, thinking, **fields)
    tag = structural_tag(Structure(asked.request, FORMATS[family], excludes_markup=False), prompt)
    return len(text) in ends(tag["format"], text, 0)


GLM, QWEN3 = ("glm-4.6", "<|assistant|>"), ("qwen3", "<|im_start|>assistant\n")
REQUIRED = {"tools": TOOLS, "tool_choice": "required"}
FORM = {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}


@pytest.mark.parametrize(
    ("family", "fields", "texts"),
    [
        (
            GLM,
            REQUIRED,
            [THINKING + glm(ROME), glm(ROME), NOW, glm(ROME) + "\n" + NOW, "\n" + NOW],
        ),
        (GLM, REQUIRED, [glm(ROME, argument("days", 3), argument("unit", "c"), argument("code", "ab"))]),
        (GLM, {"tools": TOOLS, "tool_choice": ONE}, [THINKING + glm(ROME)]),
        (GLM, FORM, [THINKING + '{"a": 1}', '{"a":1}', '\n\n{"a": 1}']),
        (QWEN3, REQUIRED, [QWEN]),
    ],
)
def test_what_a_model_may_write_is_accepted(family, fields, texts):
    assert [text for text in texts if not accepts_answer(*family, text, **fields)] == []


@pytest.mark.parametrize(
    ("family", "fields", "texts"),
    [
        (GLM, REQUIRED, ["", "hello", THINKING, THINKING + "hello", glm(), glm(ROME)[:-5], glm(ROME) + "x"]),
        (GLM, REQUIRED, [glm(ROME, argument("unit", "k")), glm(ROME, argument("code", "abcd")), glm(ROME, ROME)]),
        (GLM, {"tools": TOOLS, "tool_choice": ONE}, [NOW, glm(ROME) + "\n" + NOW]),
        (GLM, REQUIRED | {"parallel_tool_calls": False}, [NOW + "\n" + NOW]),
        (GLM, FORM, [THINKING + '{"a": "x"}', "{}", "x", THINKING]),
        (QWEN3, REQUIRED, [QWEN.replace('"location": "Rome"', ""), QWEN[:-3]]),
    ],
)  # fmt: skip
def test_nothing_else_is(family, fields, texts):
    assert [text for text in texts if accepts_answer(*family, text, **fields)] == []


def test_after_a_prompt_that_has_ended_the_thinking_none_follows():
    prompt = "<|assistant|>\n<think></think>"

    assert accepts_answer("glm-4.6", prompt, '{"a": 1}', "disabled", **FORM)
    assert not accepts_answer("glm-4.6", prompt, THINKING + '{"a": 1}', "disabled", **FORM)


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
def test_raw_text_of_vllm_and_sglang_is_constrained_by_a_structural_tag(dialect):
    target = protocol("completions", dialect, format=FORMATS["glm-4.6"])
    for fields in (REQUIRED, FORM):
        sent = json.loads(target.encode(ask("<|assistant|>", **fields)))
        assert sent["response_format"]["type"] == "structural_tag"
    assert "response_format" not in json.loads(target.encode(ask("<|assistant|>", tools=TOOLS)))


def test_json_has_bounded_white_space():
    asked = generation("<|assistant|>", **FORM)
    tag = json.dumps(structural_tag(Structure(asked.request, FORMATS["glm-4.6"]), asked.prompt))

    assert '"max_whitespace_cnt": 16' in tag


@pytest.mark.parametrize("family", sorted({format.name for format in FORMATS.values() if format.syntax}))
def test_the_calls_of_every_family_are_forced(family):
    calls = [Call("get_weather", {"location": "Rome", "days": 3, "unit": "c"}), Call("now", {})]
    text = written_calls(FORMATS[family].syntax, calls)

    assert accepts_answer(family, "x", text, "disabled", **REQUIRED)
    assert not accepts_answer(family, "x", text.replace("now", "then"), "disabled", **REQUIRED)


def test_a_call_cannot_be_forced_where_its_syntax_is_unknown():
    target = protocol("completions", "vllm", format=None)
    with pytest.raises(RequestError, match="^tool_choice: ") as raised:
        target.encode(ask("", **REQUIRED))
    assert raised.value.code == "1212"
