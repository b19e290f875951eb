"""Structured output of the embedded model, which would not be valid without constrained decoding."""

import asyncio
import json
import re
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from grammars import accepts, schema_grammar
from headrace.engines import Generation
from headrace.engines.llama import LlamaEngine
from headrace.errors import RequestError
from headrace.events import Text, ToolCallStart
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.prompts import ChatTemplate, render_request
from headrace.turns import Interpreter
from headrace.wire import decode_request
from headrace_tiny import model_path
from listening import listen

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = {"model": "glm-4.6", "messages": [{"role": "user", "content": "hello"}]}
CITY = {"type": "string"}
TOOLS = {
    "get_weather": {
        "type": "object",
        "properties": {
            "location": CITY,
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "days": {"type": "integer"},
        },
        "required": ["location", "unit", "days"],
    },
    "book": {
        "type": "object",
        "properties": {"where": {"$ref": "#/$defs/Place"}, "tags": {"type": "array", "items": {"enum": [1, 2]}, "minItems": 1, "maxItems": 2}},
        "required": ["where", "tags"],
        "$defs": {"Place": {"type": "object", "properties": {"city": {"enum": ["Rome", "Oslo"]}}, "required": ["city"]}},
    },
    "ping": {"type": "object", "properties": {}},
}  # fmt: skip
OFFERED = [
    {"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in TOOLS.items()
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine():
    engine = LlamaEngine(model_path(), slots=2, format="glm-4.6")
    yield engine
    await engine.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine_of_no_family():
    engine = LlamaEngine(model_path(), slots=1, context=512)
    yield engine
    await engine.close()


def ask(engine, question, **fields):
    body = {
        "model": "glm-4.6",
        "messages": [{"role": "user", "content": question}],
        "seed": 1,
        "max_tokens": 700,
        **fields,
    }
    request = decode_request(msgspec.json.encode(body))
    return Generation(
        render_request(ChatTemplate(engine.metadata["tokenizer.chat_template"]), request), request
    )


async def text_of(engine, generation):
    events = [event async for new in listen(engine, generation) for event in new]
    return "".join(event.text for event in events if isinstance(event, Text)), events[-1]


async def answer(engine, question, **fields):
    """Return the text after the thinking."""
    text, _ = await text_of(engine, ask(engine, question, **fields))
    return re.sub(r"^\s*<think>.*?</think>", "", text, flags=re.DOTALL).strip()


async def calls(engine, question, **fields):
    generation = ask(engine, question, tools=OFFERED, **fields)
    text, finish = await text_of(engine, generation)
    interpreter = Interpreter(
        lambda: OutputParser(FORMATS["glm-4.6"], TOOLS, thinking=True, tool_stream=False)
    )
    events = interpreter.feed([Text(text), finish])
    starts = [event for event in events if isinstance(event, ToolCallStart)]
    return [start.name for start in starts], [json.loads(start.arguments) for start in starts], text


@pytest.mark.parametrize("thinking", ["enabled", "disabled"])
@pytest.mark.parametrize("question", ["hello", "Write a poem about spring"])
async def test_tool_choice_required_forces_a_call(engine, question, thinking):
    names, arguments, text = await calls(
        engine, question, tool_choice="required", thinking={"type": thinking}
    )

    assert names
    assert set(names) <= set(TOOLS)
    assert len(arguments) == len(names)
    assert ("<think>" in text) == (thinking == "enabled")


@pytest.mark.parametrize("name", list(TOOLS))
async def test_a_named_tool_is_called_once_with_valid_arguments(engine, name):
    choice = {"type": "function", "function": {"name": name}}
    names, (arguments,), _ = await calls(engine, "hello", tool_choice=choice)

    assert names == [name]
    assert set(arguments) == set(TOOLS[name].get("required", ()))
    if name == "get_weather":
        assert arguments["unit"] in ("celsius", "fahrenheit")
        assert isinstance(arguments["days"], int)
    if name == "book":
        assert arguments["where"]["city"] in ("Rome", "Oslo")
        assert set(arguments["tags"]) <= {1, 2}


@pytest.mark.parametrize("thinking", ["enabled", "disabled"])
async def test_json_object_is_an_object_after_unconstrained_thinking(engine, thinking):
    fields = {"response_format": {"type": "json_object"}, "thinking": {"type": thinking}, "temperature": 0.3}
    text, finish = await text_of(engine, ask(engine, "Write a poem about spring", **fields))

    assert text.lstrip().startswith("<think>" if thinking == "enabled" else "{")
    if finish.reason == "stop":
        assert isinstance(json.loads(text.partition("</think>")[2] if thinking == "enabled" else text), dict)


SCHEMAS = [
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", 2, None]}}, "required": ["a", "b"]},
    {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"type": "null"}}, "required": ["b"]},
    {"type": "array", "items": {"anyOf": [{"type": "integer", "maximum": 99}, {"const": "last"}]}, "minItems": 2, "maxItems": 3},
    {"type": ["integer", "null"]},
    {"allOf": [{"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"const": 'ü"\\\n'}}, "required": ["b"]}], "minProperties": 2, "maxProperties": 2},
    {"$ref": "#/$defs/Tree", "$defs": {"Tree": {"type": "object", "properties": {"leaf": {"type": "boolean"}, "next": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]}}, "required": ["leaf", "next"]}}},
    {"type": "string", "maxLength": 9},
    {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"},
    {"type": "string", "format": "date"},
    {"type": "array", "prefixItems": [{"type": "boolean"}, {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 1}], "items": False, "minItems": 2},
]  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:40])
async def test_llama_cpp_obeys_the_grammar_that_was_validated(engine, schema):
    """Its llguidance reports no error in a grammar; the text is then free."""
    response_format = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    grammar = await asyncio.to_thread(schema_grammar, schema, FORMATS["glm-4.6"])
    for seed in range(3):
        text = await answer(
            engine,
            "Write a poem about spring",
            response_format=response_format,
            seed=seed,
            thinking={"type": "disabled"},
        )

        assert accepts(grammar, text), text


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "array", "maxItems": 0},
        {"type": "string", "minLength": 2},
        {"type": "object", "properties": {name: {} for name in "abcdef"}},
        {"type": "object", "properties": {f"property_{number}": {} for number in range(500)}},
        {"type": "string", "minLength": 100, "maxLength": 10**9},
        {"properties": {"ключ": {"title": "x", "description": "y"}}},
        {"properties": {'\0\x1b"\\': {"enum": ["\0", "\f"]}}, "required": ['\0\x1b"\\']},
        {"type": None, "properties": None, "required": None, "items": None, "minItems": None},
        {"allOf": [True, {"$ref": "#/$defs/any"}], "$defs": {"any": True}},
        {},
        True,
    ],
)
async def test_llama_cpp_accepts_every_grammar(engine, schema):
    response_format = {"type": "json_schema", "json_schema": {"schema": schema}}
    _, finish = await text_of(engine, ask(engine, "hello", response_format=response_format, max_tokens=3))

    assert finish.reason in ("length", "stop")


async def test_a_schema_that_cannot_be_compiled_ends_the_run_with_its_place(engine):
    schema = {"type": "object", "properties": {"a": {"items": {"type": "string", "pattern": "(["}}}}
    response_format = {"type": "json_schema", "json_schema": {"schema": schema}}
    with pytest.raises(RequestError, match=r"json_schema.schema.properties.a.items.pattern") as caught:
        await text_of(engine, ask(engine, "hello", response_format=response_format))

    assert caught.value.code == "1212"


CASES = Path(__file__).parents[2] / "packages/headrace-tiny/training/schemas.jsonl"


@pytest.mark.parametrize(
    "fields",
    [{"temperature": 1.0}, {"do_sample": False, "thinking": {"type": "disabled"}}],
    ids=["sampled, thinking", "greedy, not thinking"],
)
async def test_the_embedded_model_completes_json_for_any_schema(engine, fields):
    """64 schemas that zod 3, zod 4 and pydantic 2 wrote; 3 answers may exceed max_tokens."""

    async def completes(case):
        response_format = {"type": "json_schema", "json_schema": {"schema": case["schema"]}}
        generation = ask(engine, case["ask"], response_format=response_format, max_tokens=400, **fields)
        text, finish = await text_of(engine, generation)
        return finish.reason == "stop" and isinstance(json.loads(text.rpartition("</think>")[2]), dict)

    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    completed = await asyncio.gather(*map(completes, cases))

    assert sum(completed) >= 61, [
        case["ask"] for case, is_complete in zip(cases, completed, strict=True) if not is_complete
    ]


MARKUP = re.compile(
    "|".join(re.escape(name.strip()) for _, name in FORMATS["glm-4.6"].transitions if "<" in name)
)


@pytest.mark.parametrize("thinking", ["enabled", "disabled"])
@pytest.mark.parametrize("fields", [{"temperature": 1.0}, {"do_sample": False}])
async def test_markup_is_never_text_in_an_answer_that_has_a_structure(engine, thinking, fields):
    for seed in range(4):
        text = await answer(
            engine,
            "Write a poem about spring",
            response_format={"type": "json_object"},
            thinking={"type": thinking},
            max_tokens=200,
            seed=seed,
            **fields,
        )

        assert text.startswith("{")
        assert not MARKUP.search(text)


async def test_a_format_without_a_syntax_of_calls_rejects_tool_choice(engine_of_no_family):
    generation = ask(engine_of_no_family, "hello", tools=OFFERED, tool_choice="required")
    with pytest.raises(RequestError, match="tool_choice") as caught:
        await text_of(engine_of_no_family, generation)

    assert caught.value.code == "1212"
