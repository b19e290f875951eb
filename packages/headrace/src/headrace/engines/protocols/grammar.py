"""Grammars for constrained decoding, in llguidance's notation, a variant of Lark.

For `tool_choice` (any call, or a call of one tool) and `response_format`. The JSON of both is llguidance's
own (`%json`), from the schemas that `headrace.engines.schemas` rewrites; thinking and the markup of calls are
rules around it. A delimiter is the token of that name, so it never matches as text.
https://github.com/guidance-ai/llguidance/blob/v1.0.1/docs/syntax.md
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from headrace.engines.base import Generation
from headrace.engines.schemas.arguments import Arguments, ArgumentsReader, Value
from headrace.engines.schemas.exclusion import text_without
from headrace.engines.schemas.failing_part import find_failing_part
from headrace.engines.schemas.rewrite import Rewritten, SchemaRewriter
from headrace.engines.schemas.validator import OVER_BUDGET, GrammarValidator
from headrace.errors import RequestError
from headrace.formats import Format, State, Syntax
from headrace.parsing.initial_state import initial_state
from headrace.wire.request import ChatRequest, FunctionSpec

__all__ = ["answer_grammar", "check_structure", "is_structured", "schema_grammar"]

_HEAD: Final = "%llguidance {}\n"
# Without white space, which would be unbounded: a small model fills its context with it.
_OPTIONS: Final = {"whitespace_flexible": False}
_MAX_SIZE: Final = 2**20  # characters
_DELIMITER: Final = re.compile(r"<[^<>\s]+>")
_KEY: Final = r"/[^<>\s]{1,64}/"


def is_structured(request: ChatRequest) -> bool:
    """Whether the output must have a structure: a `response_format`, or a forced call."""
    return _forces_call(request) or request.response_format.type != "text"


def check_structure(request: ChatRequest, format: Format | None) -> tuple[str, ...]:
    """Return the places of the schemas' keywords that a grammar cannot enforce. Compiles nothing.

    Args:
        request: any request.
        format: of the model's family; None if unknown.

    Raises:
        RequestError: 1214 for an invalid schema; 1212 if calls cannot be forced, or if one of these keywords
            is part of a schema with `strict`.
    """
    return _GrammarWriter(request, format, {}).unenforced if is_structured(request) else ()


def answer_grammar(
    generation: Generation,
    format: Format | None,
    validator: GrammarValidator,
    tokens: Mapping[str, int] | None = None,
) -> str:
    """Return the grammar for a request with a structured output or a forced call, compiled once: blocks.

    Args:
        generation: its prompt shows whether the output begins within the thinking.
        format: of the model's family; None if unknown. Without a `syntax`, calls cannot be forced, and
            no thinking precedes a structured output.
        validator: compiles the grammar.
        tokens: the ids of the special tokens by name; a delimiter without one is text.

    Raises:
        RequestError: as `check_structure`, and 1212 for a schema that cannot be compiled.
    """
    error = ""
    for excludes_markup in (True, False):  # a complex schema is worth more
        writer = _GrammarWriter(generation.request, format, tokens or {}, excludes_markup=excludes_markup)
        grammar = writer.write(generation.prompt)
        error = "it is too large" if len(grammar) > _MAX_SIZE else validator.error(grammar)
        if not error:
            return grammar
        if error in OVER_BUDGET:
            break
    raise writer.explain(error, validator)


def schema_grammar(schema: Rewritten) -> str:
    """Return the grammar of JSON that is valid against a rewritten schema."""
    return f"{_HEAD}start: {_json(schema)}\n"


def _forces_call(request: ChatRequest) -> bool:
    return request.tool_choice not in ("auto", "none")


class _GrammarWriter:
    """Writes the rules of one grammar. Creating it checks the request."""

    def __init__(
        self,
        request: ChatRequest,
        format: Format | None,
        tokens: Mapping[str, int],
        *,
        excludes_markup: bool = True,
    ) -> None:
        self._request = request
        self._format = format
        self._tokens = tokens
        self._allowed_text = text_without(_markers(format)) if excludes_markup else ""
        self._calls: dict[str, str] = {}  # rules, by name
        self._texts: dict[tuple[str, int, int | None], str] = {}  # names of rules
        self._text_rules: dict[str, str] = {}
        self._schemas: list[tuple[SchemaRewriter, Any, str]] = []
        self._unenforced: dict[str, None] = {}
        self._body = self._forced_calls() if _forces_call(request) else self._structure()

    @property
    def unenforced(self) -> tuple[str, ...]:
        return tuple(self._unenforced)

    def write(self, prompt: str) -> str:
        """Return the grammar."""
        thinking = self._thinking(prompt)
        rules = {
            "start": rf"{thinking} (/\n\n?/)? {self._body} {self._end()}".strip(),
            **self._calls,
            **self._text_rules,
        }
        return _HEAD + "".join(f"{name}: {expression}\n" for name, expression in rules.items())

    def _end(self) -> str:
        """Return the end tokens of the family: of themselves, llguidance allows only the model's main one."""
        stops = self._format.stop_tokens if self._format else ()
        known = [self._delimiter(name) for name in stops if name in self._tokens]
        return f"( {' | '.join(known)} )?" if known else ""

    def explain(self, error: str, validator: GrammarValidator) -> RequestError:
        """Return the error for a grammar that cannot be compiled: the part of a schema, and why."""
        place = "tool_choice" if _forces_call(self._request) else "response_format"
        for rewriter, schema, where in self._schemas if error not in OVER_BUDGET else ():
            failing = find_failing_part(
                rewriter, schema, where, lambda rewritten: validator.error(schema_grammar(rewritten))
            )
            if failing is not None:
                place, error = failing
                break
        msg = f"{place} cannot be enforced by model {self._request.model}: {error}"
        return RequestError(f"{msg}; simplify it, or remove it and validate the answer", code="1212")

    def _thinking(self, prompt: str) -> str:
        if self._format is None or self._format.syntax is None or self._format.thinking_tags is None:
            return ""
        opening, closing = self._format.thinking_tags
        match initial_state(self._format, prompt, thinking=self._request.wants_thinking):
            case State.THINKING:
                return self._text(closing)
            case State.START:
                return rf'( "\n"? {self._delimiter(opening)} {self._text(closing)} )?'
            case _:
                return ""

    def _structure(self) -> str:
        response_format = self._request.response_format
        if response_format.type == "json_object":
            return _json(SchemaRewriter({}, "response_format", self._allowed_text).any_object())
        place = "response_format.json_schema.schema"
        specification = response_format.json_schema or {}
        schema = specification.get("schema")
        rewriter = SchemaRewriter(schema, place, self._allowed_text)
        rewritten = rewriter.rewrite(schema, place)
        if rewritten is False:
            msg = f"{place}: no value is valid against this schema"
            raise RequestError(msg)
        self._schemas.append((rewriter, schema, place))
        self._note(rewriter, is_strict=specification.get("strict") is True)
        return _json(rewritten)

    def _note(self, rewriter: SchemaRewriter, *, is_strict: bool) -> None:
        if is_strict and rewriter.unenforced:
            msg = f"{rewriter.unenforced[0]} cannot be enforced by model {self._request.model}"
            raise RequestError(f"{msg}; remove it, or set strict to false", code="1212")
        self._unenforced |= dict.fromkeys(rewriter.unenforced)

    def _forced_calls(self) -> str:
        syntax = self._format.syntax if self._format else None
        choice = self._request.tool_choice
        if syntax is None or not syntax.call:
            msg = f'tool_choice: model {self._request.model} supports "auto" and "none" only'
            raise RequestError(msg, code="1212")
        for index, tool in enumerate(self._request.tools or ()):
            if not isinstance(choice, dict) or tool.function.name == choice["function"]["name"]:
                place = f"tools[{index}].function.parameters"
                self._calls[f"call{index}"] = self._call(tool.function, syntax, place)
        calls = f"( {' | '.join(self._calls)} )"
        return calls if isinstance(choice, dict) else rf'{calls} ( "\n"? {calls} )*'

    def _call(self, tool: FunctionSpec, syntax: Syntax, place: str) -> str:
        schema = tool.parameters or {}
        if syntax.argument:
            reader = ArgumentsReader(schema, place, self._allowed_text)
            rewriter = reader.rewriter
            alternatives = [self._arguments(reader, one, syntax) for one in reader.alternatives()]
            arguments = f"( {' | '.join(dict.fromkeys(alternatives))} )"
        else:
            rewriter = SchemaRewriter(schema, place, self._allowed_text)
            arguments = _json(_object(rewriter.rewrite(schema, place)))
        self._schemas.append((rewriter, schema, place))
        self._note(rewriter, is_strict=tool.strict is True)
        return self._markup(syntax.call, name=_literal(tool.name), arguments=arguments)

    def _arguments(self, reader: ArgumentsReader, allowed: Arguments, syntax: Syntax) -> str:
        parts = []
        missing = {name: [allowed.extra] for name in allowed.required if name not in allowed.properties}
        for name, schemas in {**allowed.properties, **missing}.items():
            value = reader.value(name, schemas)
            argument = self._argument(_literal(name), value, syntax)
            if argument:
                parts.append(argument if name in allowed.required else f"( {argument} )?")
            elif name in allowed.required:
                return "/[^\\s\\S]/"  # nothing is valid: another alternative must hold
        if allowed.is_map and (extra := self._argument(_KEY, reader.value("*", [allowed.extra]), syntax)):
            parts.append(f"( {extra} )*")
        return " ".join(parts) or '""'

    def _argument(self, key: str, value: Value, syntax: Syntax) -> str:
        """Return the markup of an argument; "" if nothing is valid."""
        end = syntax.value_end
        closed = [_literal(text) for text in value.literals] + (
            [_json(value.json)] if value.json is not False else []
        )
        options = [f"( {' | '.join(closed)} ) {self._delimiter(end)}"] if closed else []
        if value.text is not None:
            options.append(self._text(end, *value.text))
        return self._markup(syntax.argument, key=key, value=f"( {' | '.join(options)} )") if options else ""

    def _markup(self, template: str, **parts: str) -> str:
        return _DELIMITER.sub(lambda match: self._delimiter(match[0]), template).format(**parts)

    def _delimiter(self, name: str) -> str:
        return f"<[{self._tokens[name]}]>" if name in self._tokens else _literal(name)

    def _text(self, end: str, least: int = 0, most: int | None = None) -> str:
        """Return the name of a rule for free text up to a delimiter, which it includes."""
        known = (end, least, most)
        if known not in self._texts:
            name = self._texts[known] = f"text{len(self._texts)}"
            text = f"(?s:.{{{least},{'' if most is None else most}}})"
            escaped = re.escape(end).replace("/", r"\/")
            if end in self._tokens:
                self._text_rules[name] = f"{name.upper()} {self._delimiter(end)}"
                self._text_rules[name.upper()] = f"/{text}/ & ~/(?s:.*){escaped}(?s:.*)/"
            else:
                self._text_rules[f"{name}[lazy]"] = f"/{text}{escaped}/"
        return self._texts[known]


def _markers(format: Format | None) -> set[str]:
    """Return the delimiters of a family, which are no text inside a structure."""
    if format is None:
        return set()
    return {delimiter.strip() for _, delimiter in format.transitions} | set(format.stop_tokens)


def _object(schema: Rewritten) -> Rewritten:
    """Restrict a rewritten schema to objects."""
    if isinstance(schema, bool):
        return schema and {"type": "object"}
    if schema.get("type") == "object":
        return schema
    definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    own = {key: value for key, value in schema.items() if key != "$defs"}
    return {"allOf": [own, {"type": "object"}], **definitions}


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _json(schema: Rewritten) -> str:
    """Return an expression for JSON that is valid against a rewritten schema."""
    document = schema if isinstance(schema, Mapping) else {} if schema else {"enum": []}
    return f"%json {json.dumps({'x-guidance': _OPTIONS, **document}, ensure_ascii=False)}"
