"""Grammars for constrained decoding, in llama.cpp's notation (GBNF).

For `tool_choice` (any call, or a call of one tool) and `response_format`. Delimiters such as `<tool_call>`
are matched as special tokens, so names, keys, enums, numbers and required arguments are always valid.
`!</think>*` matches any token but that one: thinking is unconstrained, and must end before the structure.
"""

from collections.abc import Mapping
from typing import Any, Final

from headrace.engines.base import Generation
from headrace.engines.protocols.json_grammar import SHARED_RULES, JsonGrammar, literal
from headrace.engines.protocols.json_schema import malformed, unenforceable
from headrace.errors import RequestError
from headrace.formats import Format, State, Syntax
from headrace.parsing.initial_state import initial_state
from headrace.wire.request import ChatRequest, FunctionSpec

__all__ = ["answer_grammar"]

_MAX_SIZE: Final = 2**17  # characters; llama.cpp tests every alternative for every token


def answer_grammar(generation: Generation, format: Format | None) -> str:
    """Return the grammar for a request with a structured output or a forced call.

    Args:
        generation: its prompt shows whether the output begins within the thinking.
        format: of the model's family; None if unknown. Without a `syntax`, calls cannot be forced, and
            no thinking precedes a structured output.

    Raises:
        RequestError: 1214 for a malformed schema, 1212 for one that cannot be enforced.
    """
    field = "tool_choice" if generation.request.tool_choice not in ("auto", "none") else "response_format"
    try:
        grammar = _grammar(generation, format)
    except RecursionError:
        msg = f"{field}: a schema is infinitely recursive, or nested too deeply; make it flatter"
        raise RequestError(msg, code="1212") from None
    if len(grammar) > _MAX_SIZE:
        msg = f"{field}: the schemas are too large to be enforced; use fewer tools, or shorter enums"
        raise RequestError(msg, code="1212")
    return grammar


def _grammar(generation: Generation, format: Format | None) -> str:
    request, syntax = generation.request, format.syntax if format else None
    rules = dict(SHARED_RULES)
    if request.tool_choice not in ("auto", "none"):
        body = _calls(request, syntax, rules)
    else:
        body = _structure(request, rules)
    thinking = _thinking(generation, format) if format and syntax else ""
    rules = {"root": rf'{thinking} "\n"{{0,2}} {body}'.strip(), **rules}
    return "".join(f"{name} ::= {expression}\n" for name, expression in rules.items())


def _thinking(generation: Generation, format: Format) -> str:
    if format.thinking_tags is None:
        return ""
    opening, closing = format.thinking_tags
    rest = f"!{closing}* {closing}"
    match initial_state(format, generation.prompt, thinking=generation.request.wants_thinking):
        case State.THINKING:
            return rest
        case State.START:
            return rf'( "\n"? {opening} {rest} )?'
        case _:
            return ""


def _structure(request: ChatRequest, rules: dict[str, str]) -> str:
    if request.response_format.type == "json_object":
        return "object"
    schema = (request.response_format.json_schema or {}).get("schema")
    place = "response_format.json_schema.schema"
    if error := malformed(schema, place):
        raise RequestError(error)
    if path := unenforceable(schema, place):
        msg = f"{path} cannot be enforced by model {request.model}; remove it and validate the answer"
        raise RequestError(msg, code="1212")
    grammar = JsonGrammar(schema, "answer")
    expression = grammar.expression(schema)
    rules |= grammar.rules
    return expression


def _calls(request: ChatRequest, syntax: Syntax | None, rules: dict[str, str]) -> str:
    if syntax is None or not syntax.call:
        msg = f'tool_choice: model {request.model} supports "auto" and "none" only'
        raise RequestError(msg, code="1212")
    tools = [tool.function for tool in request.tools or ()]
    for index, tool in enumerate(tools):
        if error := malformed(tool.parameters or {}, f"tools[{index}].function.parameters"):
            raise RequestError(error)
    choice = request.tool_choice
    if isinstance(choice, dict):
        tools = [tool for tool in tools if tool.name == choice["function"]["name"]]
    for index, tool in enumerate(tools):
        rules[f"call{index}"] = _call(tool, syntax, f"tool{index}", rules)
    calls = f"( {' | '.join(f'call{index}' for index in range(len(tools)))} )"
    return calls if isinstance(choice, dict) else rf'{calls} ( "\n"? {calls} )*'


def _call(tool: FunctionSpec, syntax: Syntax, prefix: str, rules: dict[str, str]) -> str:
    schema = tool.parameters or {}
    grammar = JsonGrammar(schema, prefix)
    if syntax.argument:
        arguments = _arguments(schema, syntax, grammar)
    else:
        arguments = grammar.expression({"type": "object", **schema})
    rules |= grammar.rules
    return syntax.call.format(name=literal(tool.name), arguments=arguments)


def _arguments(schema: Mapping[str, Any], syntax: Syntax, grammar: JsonGrammar) -> str:
    required = schema.get("required") or ()
    parts = []
    for key, part in (schema.get("properties") or {}).items():
        value = _value(part, syntax, grammar)
        argument = syntax.argument.format(key=literal(key), value=value)
        parts.append(argument if key in required else f"( {argument} )?")
    return " ".join(parts)


def _value(schema: Any, syntax: Syntax, grammar: JsonGrammar) -> str:
    """Build the pattern of an argument's value: a string is unescaped text, anything else is JSON."""
    if isinstance(schema, Mapping):
        literals = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
        if literals and all(isinstance(value, str) for value in literals):
            return f"( {' | '.join(map(literal, literals))} )"
        types = schema.get("type")
        if types and "string" not in types:
            return grammar.expression(schema)
        if not types and ("$ref" in schema or "properties" in schema):
            return grammar.expression(schema)
    return syntax.text
