"""What an answer must look like: `response_format` or `tool_choice` as a tree, whatever decodes it.

`grammar.py` writes it for llguidance, `structural_tag.py` for servers that have xgrammar. Thinking and the
markup of calls are nodes around the JSON, whose schemas `headrace.engines.schemas` rewrites.
"""

import json
import re
from typing import Any, Final, TypeAlias

import msgspec

from headrace.engines.schemas.arguments import Arguments, ArgumentsReader, Text, Value
from headrace.engines.schemas.exclusion import text_without
from headrace.engines.schemas.rewrite import Rewritten, SchemaRewriter
from headrace.errors import RequestError
from headrace.formats import Format, State, Syntax
from headrace.parsing.initial_state import initial_state
from headrace.wire.request import ChatRequest, FunctionSpec

__all__ = [
    "Choice",
    "Delimiter",
    "FreeText",
    "Json",
    "Literal",
    "Name",
    "Node",
    "Optional",
    "Repeat",
    "Sequence",
    "Structure",
    "is_structured",
]

_PART: Final = re.compile(r'<[^<>\s]+>|\{\w+\}|"(?:[^"\\]|\\.)*"')
"""The parts of a template of `Syntax`: a delimiter, a placeholder, text."""

_ANY_TEXT: Final = Text()
_MAX_ARGUMENTS: Final = 4096  # a grammar of more would be too large, and writing it takes memory


class Literal(msgspec.Struct, frozen=True):
    """This text."""

    text: str


class Delimiter(msgspec.Struct, frozen=True):
    """This tag: a token of its own where the vocabulary has one."""

    name: str


class FreeText(msgspec.Struct, frozen=True):
    """Text of `least` to `most` characters that matches the patterns, and the delimiter that ends it."""

    end: str
    least: int = 0
    most: int | None = None
    patterns: tuple[str, ...] = ()


class Name(msgspec.Struct, frozen=True):
    """The name of an argument that the schema does not name."""


class Json(msgspec.Struct, frozen=True):
    """JSON that is valid against a rewritten schema."""

    schema: Rewritten


class Sequence(msgspec.Struct, frozen=True):
    """All items, one after the other."""

    items: "tuple[Node, ...]" = ()


class Choice(msgspec.Struct, frozen=True):
    """One of the items; none is possible without items."""

    items: "tuple[Node, ...]" = ()


class Optional(msgspec.Struct, frozen=True):
    """The item or nothing."""

    item: "Node"


class Repeat(msgspec.Struct, frozen=True):
    """The item any number of times."""

    item: "Node"


Node: TypeAlias = Literal | Delimiter | FreeText | Name | Json | Sequence | Choice | Optional | Repeat


def is_structured(request: ChatRequest) -> bool:
    """Whether the output must have a structure: a `response_format`, or a forced call."""
    return forces_call(request) or request.response_format.type != "text"


def forces_call(request: ChatRequest) -> bool:
    """Whether the output must be a call."""
    return request.tool_choice not in ("auto", "none")


class Structure:
    """The structure of an answer. Creating it checks the request.

    Args:
        request: one that `is_structured`.
        format: of the model's family; None if unknown. Without a `syntax`, calls cannot be forced, and no
            thinking precedes the structure.
        excludes_markup: whether the delimiters of the family cannot be a part of strings.

    Raises:
        RequestError: 1214 for an invalid schema; 1212 if calls cannot be forced, or if a keyword of a schema
            with `strict` cannot be enforced.
    """

    def __init__(self, request: ChatRequest, format: Format | None, *, excludes_markup: bool = True) -> None:
        self._request = request
        self._format = format
        self._allowed_text = text_without(_markers(format)) if excludes_markup else ""
        self._unenforced: dict[str, None] = {}
        self.schemas: list[tuple[SchemaRewriter, Any, str]] = []
        """Of each schema what rewrites it, the schema, and its place in the request."""
        self.body = self._forced_calls() if forces_call(request) else self._json()
        """The structure without the thinking before it."""

    @property
    def unenforced(self) -> tuple[str, ...]:
        """The places of the keywords that are not enforced."""
        return tuple(self._unenforced)

    def thinking(self, prompt: str) -> Node:
        """Return what may precede the structure after this prompt."""
        if self._format is None or self._format.syntax is None or self._format.thinking_tags is None:
            return Sequence()
        opening, closing = self._format.thinking_tags
        match initial_state(self._format, prompt, thinking=self._request.wants_thinking):
            case State.THINKING:
                return self._free_text(closing)
            case State.START:
                return Optional(
                    Sequence((Optional(Literal("\n")), Delimiter(opening), self._free_text(closing)))
                )
            case _:
                return Sequence()

    def _json(self) -> Node:
        response_format = self._request.response_format
        if response_format.type == "json_object":
            return Json(SchemaRewriter({}, "response_format", self._allowed_text).any_object())
        place = "response_format.json_schema.schema"
        specification = response_format.json_schema or {}
        schema = specification.get("schema")
        rewriter = SchemaRewriter(schema, place, self._allowed_text)
        rewritten = rewriter.rewrite(schema, place)
        if rewritten is False:
            msg = f"{place}: no value is valid against this schema"
            raise RequestError(msg)
        self.schemas.append((rewriter, schema, place))
        self._note(rewriter, is_strict=specification.get("strict") is True)
        return Json(rewritten)

    def _note(self, rewriter: SchemaRewriter, *, is_strict: bool) -> None:
        if is_strict and rewriter.unenforced:
            msg = f"{rewriter.unenforced[0]} cannot be enforced by model {self._request.model}"
            raise RequestError(f"{msg}; remove it, or set strict to false", code="1212")
        self._unenforced |= dict.fromkeys(rewriter.unenforced)

    def _forced_calls(self) -> Node:
        syntax = self._format.syntax if self._format else None
        choice = self._request.tool_choice
        if syntax is None or not syntax.call:
            msg = f'tool_choice: model {self._request.model} supports "auto" and "none" only'
            raise RequestError(msg, code="1212")
        calls = Choice(
            tuple(
                self._call(tool.function, syntax, f"tools[{index}].function.parameters")
                for index, tool in enumerate(self._request.tools or ())
                if not isinstance(choice, dict) or tool.function.name == choice["function"]["name"]
            )
        )
        if isinstance(choice, dict) or not self._request.parallel_tool_calls:
            return calls
        return Sequence((calls, Repeat(Sequence((Optional(Literal("\n")), calls)))))

    def _call(self, tool: FunctionSpec, syntax: Syntax, place: str) -> Node:
        schema = tool.parameters or {}
        arguments: Node
        if syntax.argument:
            reader = ArgumentsReader(schema, place, self._allowed_text)
            rewriter = reader.rewriter
            alternatives = [self._arguments(reader, one, syntax, place) for one in reader.alternatives()]
            arguments = _one_of(*alternatives)
        else:
            rewriter = SchemaRewriter(schema, place, self._allowed_text)
            arguments = Json(_object(rewriter.rewrite(schema, place)))
        self.schemas.append((rewriter, schema, place))
        self._note(rewriter, is_strict=tool.strict is True)
        return _filled(syntax.call, name=Literal(tool.name), arguments=arguments)

    def _arguments(self, reader: ArgumentsReader, allowed: Arguments, syntax: Syntax, place: str) -> Node:
        parts: list[Node] = []
        missing = {name: [allowed.extra] for name in allowed.required if name not in allowed.properties}
        arguments = {**allowed.properties, **missing}
        if len(arguments) > _MAX_ARGUMENTS:
            msg = f"{place} has {len(arguments)} arguments; a call with more than {_MAX_ARGUMENTS}"
            raise RequestError(f"{msg} cannot be enforced; remove tool_choice", code="1212")
        for name, schemas in arguments.items():
            argument = self._argument(Literal(name), reader.value(name, schemas), syntax)
            if argument != Choice():
                parts.append(argument if name in allowed.required else Optional(argument))
            elif name in allowed.required:
                return Choice()  # another alternative must hold
        if allowed.is_map:
            extra = self._argument(Name(), reader.value("*", [allowed.extra]), syntax)
            parts += [Repeat(extra)] if extra != Choice() else []
        return Sequence(tuple(parts))

    def _argument(self, key: Node, value: Value, syntax: Syntax) -> Node:
        """Return the markup of an argument, an empty choice if nothing is valid."""
        closed: list[Node] = [Literal(text) for text in value.literals]
        closed += [Json(value.json)] if value.json is not False else []
        options: list[Node] = []
        if closed:
            options.append(Sequence((_one_of(*closed), Delimiter(syntax.value_end))))
        if value.text is not None:
            options.append(self._free_text(syntax.value_end, value.text))
        return _filled(syntax.argument, key=key, value=_one_of(*options)) if options else Choice()

    def _free_text(self, end: str, text: Text = _ANY_TEXT) -> FreeText:
        allowed = (self._allowed_text[1:-1],) if self._allowed_text else ()  # without its anchors
        return FreeText(end, text.least, text.most, (*text.patterns, *allowed))


def _one_of(*items: Node) -> Node:
    different = tuple(item for number, item in enumerate(items) if item not in items[:number])
    return different[0] if len(different) == 1 else Choice(different)


def _filled(template: str, **parts: Node) -> Node:
    """Return the sequence that a template of `Syntax` describes."""
    items: list[Node] = []
    for part in _PART.findall(template):
        if part[0] == "{":
            items.append(parts[part[1:-1]])
        else:
            items.append(Delimiter(part) if part[0] == "<" else Literal(json.loads(part)))
    return Sequence(tuple(items))


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
