"""What an answer must look like: `response_format` or `tool_choice` as a tree, whatever decodes it.

`grammar.py` writes it for llguidance, `structural_tag.py` for servers that have xgrammar. Thinking and the
markup of calls are nodes around the JSON, whose schemas `headrace.engines.schemas` rewrites.
"""

import re
from typing import Any, Final, TypeAlias

import msgspec

from headrace.engines.schemas.arguments import Arguments, ArgumentsReader, Text
from headrace.engines.schemas.exclusion import text_without
from headrace.engines.schemas.rewrite import Rewritten, SchemaRewriter
from headrace.errors import RequestError
from headrace.formats import Format, State, Syntax
from headrace.parsing.initial_state import initial_state
from headrace.wire.request import ChatRequest

__all__ = [
    "Choice",
    "FreeText",
    "Json",
    "Literal",
    "Markup",
    "Node",
    "Optional",
    "Pattern",
    "Repeat",
    "Sequence",
    "Structure",
    "is_structured",
]

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_ANY_TEXT: Final = Text()
_LINE_ENDS: Final = "\n\n"  # that models write at most before a call
_ANY_KEY: Final = r"[^<>\s]{1,64}"
_MAX_ARGUMENTS: Final = 4096  # a grammar of more would be too large, and writing it takes memory
_MAX_OPTIONAL: Final = 64  # with separators, each of them may be the first: quadratic


class Literal(msgspec.Struct, frozen=True):
    """This text."""

    text: str


class Markup(msgspec.Struct, frozen=True):
    """This text of the model's markup: the names of special tokens in it are these tokens."""

    text: str


class FreeText(msgspec.Struct, frozen=True):
    """Text of `least` to `most` characters that matches the patterns, and the markup that ends it."""

    end: str
    least: int = 0
    most: int | None = None
    patterns: tuple[str, ...] = ()


class Pattern(msgspec.Struct, frozen=True):
    """Text that matches a regular expression, such as the name of any argument."""

    pattern: str


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


Node: TypeAlias = Literal | Markup | FreeText | Pattern | Json | Sequence | Choice | Optional | Repeat


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
        format: of the model's family; None if unknown. Without a `syntax`, calls cannot be forced.
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
        self.body = self._forced_calls() if forces_call(request) else self._answer()
        """The structure without the thinking before it."""

    @property
    def unenforced(self) -> tuple[str, ...]:
        """The places of the keywords that are not enforced."""
        return tuple(self._unenforced)

    def prefix(self, prompt: str) -> Node:
        """Return what may precede the body after this prompt: thinking, and line ends that are no text."""
        if self._format is None:
            return Sequence()
        state = initial_state(self._format, prompt, thinking=self._request.wants_thinking)
        syntax = self._format.syntax
        tags = (syntax and syntax.thinking) or self._format.thinking_tags
        if tags is None or state is State.OPEN:
            return self._line_ends(state)
        thinking = (self._free_text(tags[1]), self._line_ends(State.OPEN))
        if state is State.THINKING:
            return Sequence(thinking)
        with_thinking = Sequence((Optional(Literal("\n")), Markup(tags[0]), *thinking))
        return Choice((with_thinking, self._line_ends(State.START)))

    def _line_ends(self, state: State) -> Node:
        """Return the line ends that the parser drops: any before a call, those of the family otherwise."""
        dropped = self._format.leading_text.get(state, "") if self._format else ""
        most = len(_LINE_ENDS if forces_call(self._request) else dropped)
        sizes = range(most, 0, -1)
        return Optional(Choice(tuple(Literal("\n" * size) for size in sizes))) if most else Sequence()

    def _answer(self) -> Node:
        syntax = self._format.syntax if self._format else None
        return _filled(syntax.answer, answer=self._json()) if syntax else self._json()

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
        if syntax is None:
            msg = f'tool_choice: model {self._request.model} supports "auto" and "none" only'
            raise RequestError(msg, code="1212")
        call = Choice(
            tuple(
                self._call(tool["function"], syntax, f"tools[{index}].function.parameters")
                for index, tool in enumerate(self._request.tools)
                if not isinstance(choice, dict) or tool["function"]["name"] == choice["function"]["name"]
            )
        )
        if isinstance(choice, dict) or not self._request.parallel_tool_calls:
            return _filled(syntax.calls, calls=call)
        others = Repeat(Sequence((Markup(syntax.separator), call)))
        return _filled(syntax.calls, calls=Sequence((call, others)))

    def _call(self, function: dict[str, Any], syntax: Syntax, place: str) -> Node:
        schema = function.get("parameters") or {}
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
        self._note(rewriter, is_strict=function.get("strict") is True)
        return _filled(
            syntax.call,
            name=Literal(function["name"]),
            arguments=arguments,
            index=Pattern(r"[0-9]{1,3}"),
            id=Pattern(r"\w{1,32}"),
        )

    def _arguments(self, reader: ArgumentsReader, allowed: Arguments, syntax: Syntax, place: str) -> Node:
        missing = {name: [allowed.extra] for name in allowed.required if name not in allowed.properties}
        arguments = {**allowed.properties, **missing}
        limit = _MAX_ARGUMENTS if allowed.required or not syntax.argument_separator else _MAX_OPTIONAL
        if len(arguments) > limit:
            msg = f"{place} has {len(arguments)} arguments; a call with more than {limit} cannot be enforced"
            raise RequestError(f"{msg}; remove tool_choice", code="1212")
        written: dict[str, Node] = {}
        for name, schemas in arguments.items():
            if syntax.key_pattern and not re.fullmatch(syntax.key_pattern, name):
                msg = f"{place}.properties.{name}: model {self._request.model} cannot write an argument of"
                raise RequestError(f"{msg} this name; rename it, or remove tool_choice", code="1212")
            argument = _argument(Literal(name), self._values(reader, name, schemas, syntax), syntax)
            if argument != Choice():
                written[name] = argument
            elif name in allowed.required:
                return Choice()  # another alternative must hold
        extra: Node = Choice()
        if allowed.is_map:
            key = Pattern(syntax.key_pattern or _ANY_KEY)
            extra = _argument(key, self._values(reader, "*", [allowed.extra], syntax), syntax)
        if syntax.argument_separator:
            required = [one for name, one in written.items() if name in allowed.required]
            optional = [one for name, one in written.items() if name not in allowed.required]
            return _separated(required, optional, extra, Markup(syntax.argument_separator))
        parts = [one if name in allowed.required else Optional(one) for name, one in written.items()]
        return Sequence((*parts, *([] if extra == Choice() else [Repeat(extra)])))

    def _values(
        self, reader: ArgumentsReader, name: str, schemas: list[Any], syntax: Syntax
    ) -> tuple[list[Node], list[Node]]:
        """Return what an argument may be: the texts, with what ends them, and the JSON."""
        if not syntax.value_end:
            json = reader.json(name, schemas)
            return [], [] if json is False else [Json(json)]
        value = reader.value(name, schemas)
        texts: list[Node] = [Sequence((Literal(text), Markup(syntax.value_end))) for text in value.literals]
        texts += [] if value.text is None else [self._free_text(syntax.value_end, value.text)]
        return texts, [] if value.json is False else [Json(value.json)]

    def _free_text(self, end: str, text: Text = _ANY_TEXT) -> FreeText:
        allowed = (self._allowed_text[1:-1],) if self._allowed_text else ()  # without its anchors
        return FreeText(end, text.least, text.most, (*text.patterns, *allowed))


def _argument(key: Node, values: tuple[list[Node], list[Node]], syntax: Syntax) -> Node:
    """Return the markup of an argument, an empty choice if nothing is valid."""
    texts, json = values
    if not syntax.json_argument:
        texts, json = [*texts, *(Sequence((one, Markup(syntax.value_end))) for one in json)], []
    with_end = syntax.argument.replace(f"{{value}}{syntax.value_end}", "{value}")
    parts = [_filled(with_end, key=key, value=_one_of(*texts))] if texts else []
    parts += [_filled(syntax.json_argument, key=key, value=one) for one in json]
    return _one_of(*parts)


def _separated(required: list[Node], optional: list[Node], extra: Node, separator: Markup) -> Node:
    """Return arguments with a separator between them: first the required ones, last any number of `extra`."""

    def after(item: Node) -> Node:
        return Sequence((separator, item))

    following = [Optional(after(one)) for one in optional]
    repeated = () if extra == Choice() else (Repeat(after(extra)),)
    if required:
        return Sequence((required[0], *map(after, required[1:]), *following, *repeated))
    first: list[Node] = [
        Sequence((one, *following[number:], *repeated)) for number, one in enumerate(optional, 1)
    ]
    first += [Sequence((extra, *repeated))] if repeated else []
    return Optional(Choice(tuple(first))) if first else Sequence()


def _one_of(*items: Node) -> Node:
    different = tuple(item for number, item in enumerate(items) if item not in items[:number])
    return different[0] if len(different) == 1 else Choice(different)


def _filled(template: str, **parts: Node) -> Node:
    """Return the sequence that a template of `Syntax` describes."""
    texts = _PLACEHOLDER.split(template)  # every other one is a placeholder
    items = [parts[text] if number % 2 else Markup(text) for number, text in enumerate(texts)]
    return Sequence(tuple(item for item in items if item != Markup("")))


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
