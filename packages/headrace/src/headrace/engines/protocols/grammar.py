"""Structures as grammars in llguidance's notation, a variant of Lark, for the engine `llama`.

The JSON is llguidance's own (`%json`). A delimiter is the token of that name, so it never matches as text.
https://github.com/guidance-ai/llguidance/blob/v1.0.1/docs/syntax.md
"""

import json
import re
from collections.abc import Mapping
from typing import Final, assert_never

from headrace.engines.base import Generation
from headrace.engines.protocols.structure import (
    Choice,
    FreeText,
    Json,
    Literal,
    Markup,
    Node,
    Optional,
    Pattern,
    Repeat,
    Sequence,
    Structure,
    forces_call,
)
from headrace.engines.schemas.failing_part import find_failing_part
from headrace.engines.schemas.rewrite import Rewritten
from headrace.engines.schemas.validator import OVER_BUDGET, GrammarValidator
from headrace.errors import RequestError
from headrace.formats import Format
from headrace.wire.request import ChatRequest

__all__ = ["answer_grammar", "schema_grammar"]

_HEAD: Final = "%llguidance {}\n"
# Without white space, which would be unbounded: a small model fills its context with it.
_OPTIONS: Final = {"whitespace_flexible": False}
_MAX_SIZE: Final = 2**20  # characters


def answer_grammar(
    generation: Generation,
    format: Format | None,
    validator: GrammarValidator,
    tokens: Mapping[str, int] | None = None,
) -> str:
    """Return the grammar for a request with a structured output or a forced call, compiled once: blocks.

    Args:
        generation: its prompt shows whether the output begins within the thinking.
        format: of the model's family; None if unknown.
        validator: compiles the grammar.
        tokens: the ids of the special tokens by name; a delimiter without one is text.

    Raises:
        RequestError: as `Structure`, and 1212 for a schema that cannot be compiled.
    """
    error = ""
    for excludes_markup in (True, False):  # a complex schema is worth more
        structure = Structure(generation.request, format, excludes_markup=excludes_markup)
        stop_tokens = format.stop_tokens if format else ()
        grammar = _GrammarWriter(tokens or {}).write(structure, generation.prompt, stop_tokens)
        error = "it is too large" if len(grammar) > _MAX_SIZE else validator.error(grammar)
        if not error:
            return grammar
        if error in OVER_BUDGET:
            break
    raise _explain(structure, generation.request, error, validator)


def schema_grammar(schema: Rewritten) -> str:
    """Return the grammar of JSON that is valid against a rewritten schema."""
    return f"{_HEAD}start: {_json(schema)}\n"


def _explain(
    structure: Structure, request: ChatRequest, error: str, validator: GrammarValidator
) -> RequestError:
    """Return the error for a grammar that cannot be compiled: the part of a schema, and why."""
    place = "tool_choice" if forces_call(request) else "response_format"
    for rewriter, schema, where in structure.schemas if error not in OVER_BUDGET else ():
        failing = find_failing_part(
            rewriter, schema, where, lambda rewritten: validator.error(schema_grammar(rewritten))
        )
        if failing is not None:
            place, error = failing
            break
    msg = f"{place} cannot be enforced by model {request.model}: {error}"
    return RequestError(f"{msg}; simplify it, or remove it and validate the answer", code="1212")


class _GrammarWriter:
    """Writes the rules of one grammar.

    Args:
        tokens: the ids of the special tokens by name.
    """

    def __init__(self, tokens: Mapping[str, int]) -> None:
        self._tokens = tokens
        self._rules: dict[str, str] = {}
        self._texts: dict[FreeText, str] = {}  # names of rules
        self._markup: dict[str, list[str]] = {}
        self._choices: dict[int, str] = {}  # by the identity of their items: calls occur twice

    def write(self, structure: Structure, prompt: str, stop_tokens: tuple[str, ...]) -> str:
        """Return the grammar of the structure, after a thinking if the prompt leaves room for one."""
        # Of themselves, llguidance allows only the model's main end token.
        ends = tuple(Markup(name) for name in stop_tokens if name in self._tokens)
        end = Optional(Choice(ends)) if ends else Sequence()
        answer = Sequence((structure.prefix(prompt), structure.body, end))
        start = self._expression(answer)
        rules = {"start": start, **self._rules}
        return _HEAD + "".join(f"{name}: {expression}\n" for name, expression in rules.items())

    def _expression(self, node: Node) -> str:
        match node:
            case Literal(text):
                return _literal(text)
            case Markup(text):
                return " ".join(filter(None, map(self._part, self._parts(text))))
            case FreeText():
                return self._free_text(node)
            case Pattern(pattern):
                return f"/{_slashed(pattern)}/"
            case Json(schema):
                return _json(schema)
            case Sequence(items):
                return " ".join(filter(None, map(self._expression, items)))
            case Choice(items):
                return self._choice(items)
            case Optional(item):
                return f"( {self._expression(item)} )?"
            case Repeat(item):
                return f"( {self._expression(item)} )*"
            case _:
                assert_never(node)

    def _parts(self, text: str) -> list[str]:
        """Split markup at the special tokens; every other part is one."""
        if text not in self._markup:
            names = sorted((name for name in self._tokens if name in text), key=len, reverse=True)
            pattern = "|".join(map(re.escape, names))
            self._markup[text] = re.split(f"({pattern})", text) if names else [text]
        return self._markup[text]

    def _part(self, text: str) -> str:
        return f"<[{self._tokens[text]}]>" if text in self._tokens else text and _literal(text)

    def _choice(self, items: tuple[Node, ...]) -> str:
        if not items:
            return r"/[^\s\S]/"
        if len(items) == 1:
            return self._expression(items[0])
        if id(items) not in self._choices:
            name = self._choices[id(items)] = f"choice{len(self._choices)}"
            self._rules[name] = " | ".join(self._expression(item) or '""' for item in items)
        return self._choices[id(items)]

    def _free_text(self, node: FreeText) -> str:
        if node not in self._texts:
            name = self._texts[node] = f"text{len(self._texts)}"
            text, *tokens = self._parts(node.end)  # up to the first token, the regular expression matches
            end, tail = (_slashed(re.escape(one).replace("\\\n", "\n")) for one in (node.end, text))
            characters = f"(?s:.{{{node.least},{'' if node.most is None else node.most}}})"
            if tokens or node.patterns:
                terms = [f"/(?:{_slashed(part)}){tail}/" for part in (characters, *node.patterns)]
                self._rules[name] = " ".join(filter(None, [name.upper(), *map(self._part, tokens)]))
                rest = "*" if tokens else "+"
                self._rules[name.upper()] = f"{' & '.join(terms)} & ~/(?s:.*){end}(?s:.{rest})/"
            else:  # faster than an intersection
                self._rules[f"{name}[lazy]"] = f"/{characters}{end}/"
        return self._texts[node]


def _slashed(pattern: str) -> str:
    """Return a regular expression as the notation has it between slashes."""
    return pattern.replace("/", "\\/").replace("\n", "\\n")


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _json(schema: Rewritten) -> str:
    """Return an expression for JSON that is valid against a rewritten schema."""
    document = schema if isinstance(schema, Mapping) else {} if schema else {"enum": []}
    return f"%json {json.dumps({'x-guidance': _OPTIONS, **document}, ensure_ascii=False)}"
