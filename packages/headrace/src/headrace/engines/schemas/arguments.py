"""The parameters of a tool → its arguments, one by one, for markup in which each value is written alone.

A value is the bare text of a string, or JSON; the parser decides by the types that the schema allows
(`ParametersSchema`), and so does this module.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final, NamedTuple

from headrace.engines.schemas.patterns import ENCODINGS, FORMATS, anchored, is_regular, regular
from headrace.engines.schemas.rewrite import Rewritten, SchemaRewriter
from headrace.errors import RequestError
from headrace.parsing.schema import ParametersSchema

__all__ = ["Arguments", "ArgumentsReader", "Text", "Value"]

_MAX_ALTERNATIVES: Final = 16
_MAX_COUNTED: Final = 256  # characters; with a pattern, a greater length takes too long
_MAX_DEPTH: Final = 16  # of references and combinations
_ANNOTATIONS: Final = frozenset({"$defs", "default", "definitions", "description", "examples", "title"})
_UNENFORCED_NAMES: Final = (
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "if",
    "maxProperties",
    "minProperties",
    "not",
    "patternProperties",
    "propertyNames",
)
_UNENFORCED_TEXT: Final = ("anyOf", "if", "not", "oneOf")


class Arguments(NamedTuple):
    """One set of arguments that a call may have.

    Attributes:
        properties: the schemas that each argument must satisfy, by name.
        required: the names that a call must have.
        extra: the schema of arguments with other names; False if there are none.
        is_map: whether all arguments are such.
    """

    properties: dict[str, list[Any]]
    required: dict[str, None]
    extra: Any
    is_map: bool


class Text(NamedTuple):
    """Free text.

    Attributes:
        least: the number of characters that it has at least.
        most: the number that it has at most; None if it is not limited.
        patterns: regular expressions that it must match as a whole.
    """

    least: int = 0
    most: int | None = None
    patterns: tuple[str, ...] = ()


class Value(NamedTuple):
    """What an argument may be: one of the alternatives.

    Attributes:
        literals: texts.
        json: a schema for `%json`; False if the value is a string.
        text: free text; None if it is not allowed.
    """

    literals: list[str]
    json: Rewritten
    text: Text | None


class ArgumentsReader:
    """Reads the parameters of one tool.

    Args:
        root: the parameters.
        place: their place in the request.
        allowed_text: of the strings in JSON values; see `SchemaRewriter`.
    """

    def __init__(self, root: Mapping[str, Any], place: str, allowed_text: str = "") -> None:
        self.rewriter = SchemaRewriter(root, place, allowed_text)
        self._root = root
        self._types = ParametersSchema(root)
        self._place = place

    def alternatives(self) -> list[Arguments]:
        """Return the sets of arguments that the parameters allow.

        Raises:
            RequestError: 1214, the schema is invalid; 1212, it has too many alternatives.
        """
        SchemaRewriter(self._root, self._place).rewrite(self._root, self._place)  # raises if it is invalid
        return self._expanded(self._root, 0)

    def value(self, name: str, schemas: list[Any]) -> Value:
        """Return what the argument `name` may be."""
        place = f"{self._place}.properties.{name}"
        literals: list[str] = []
        json: list[Any] = []
        text: Text | None = None
        for branch in self._branches(_all_of(schemas), 0):
            names = self._types.types(branch).names
            values = self._values(branch)
            if "string" not in names:
                json.append(branch)
                continue
            if values is None:
                text = self._within_reach(self._text(branch, place), place)
            else:
                literals += [value for value in values if isinstance(value, str)]
            if others := sorted(names - {"string"}):
                json.append({"allOf": [branch, {"type": others}]})
        if text == Text():  # any text, so also these
            return Value([], False, text)
        schema = json[0] if len(json) == 1 else {"anyOf": json}
        whole = self.rewriter.rewrite(schema, place) if json else False
        return Value(list(dict.fromkeys(literals)), whole, text)

    def json(self, name: str, schemas: list[Any]) -> Rewritten:
        """Return the schema of the argument `name`, if strings are JSON as well."""
        return self.rewriter.rewrite(_all_of(schemas), f"{self._place}.properties.{name}")

    def _expanded(self, schema: Any, depth: int) -> list[Arguments]:
        if not isinstance(schema, Mapping):
            return [] if schema is False else [Arguments({}, {}, extra=True, is_map=True)]
        if depth > _MAX_DEPTH:
            raise self._too_many()
        self.rewriter.unenforced += [f"{self._place}.{key}" for key in _UNENFORCED_NAMES if schema.get(key)]
        own = Arguments(
            {name: [part] for name, part in (schema.get("properties") or {}).items()},
            dict.fromkeys(schema.get("required") or ()),
            True if schema.get("additionalProperties") is None else schema["additionalProperties"],
            is_map="properties" not in schema,
        )
        factors = [[own]]
        if isinstance(schema.get("$ref"), str):
            factors.append(self._expanded(self.rewriter.references.resolve(schema["$ref"]), depth + 1))
        factors += [self._expanded(part, depth + 1) for part in schema.get("allOf") or ()]
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                factors.append([one for part in schema[key] for one in self._expanded(part, depth + 1)])
        alternatives: list[Arguments] = factors[0]
        for factor in factors[1:]:
            if len(alternatives) * len(factor) > _MAX_ALTERNATIVES:
                raise self._too_many()
            alternatives = [_both(one, other) for one, other in product(alternatives, factor)]
        return alternatives

    def _too_many(self) -> RequestError:
        msg = f"{self._place} has more than {_MAX_ALTERNATIVES} alternatives, or refers to itself without end"
        return RequestError(msg, code="1212")

    def _branches(self, schema: Any, depth: int) -> Iterator[Any]:
        """Yield the alternatives of a value that may be a string."""
        if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
            if schema is not False:
                yield schema
            return
        if "string" not in self._types.types(schema).names:
            yield schema
            return
        rest = {key: value for key, value in schema.items() if key not in _ANNOTATIONS}
        if rest.pop("nullable", False) is True:
            yield {"type": "null"}
        key = next((key for key in ("$ref", "allOf", "anyOf", "oneOf") if rest.get(key)), "")
        inner = rest.pop(key, None)
        if key == "$ref" and not rest:
            yield from self._branches(self.rewriter.references.resolve(inner), depth + 1)
        elif key == "allOf" and not rest and len(inner) == 1:
            yield from self._branches(inner[0], depth + 1)
        elif key in ("anyOf", "oneOf"):
            for option in inner:
                yield from self._branches({"allOf": [option, rest]} if rest else option, depth + 1)
        else:
            yield {key: value for key, value in schema.items() if key != "nullable"}

    def _values(self, schema: Any, depth: int = 0) -> list[Any] | None:
        """Return the values that a schema enumerates; None if it does not."""
        if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
            return None
        if "const" in schema:
            return [schema["const"]]
        if isinstance(schema.get("enum"), list):
            return list(schema["enum"])
        parts = list(schema.get("allOf") or ())
        if isinstance(schema.get("$ref"), str):
            parts.append(self.rewriter.references.resolve(schema["$ref"]))
        return next((found for part in parts if (found := self._values(part, depth + 1)) is not None), None)

    def _within_reach(self, text: Text, place: str) -> Text:
        if text.patterns and max(text.least, text.most or 0) > _MAX_COUNTED:
            self.rewriter.unenforced.append(f"{place}.maxLength")
            return text._replace(least=0, most=None)
        return text

    def _text(self, schema: Any, place: str, depth: int = 0) -> Text:
        if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
            return Text()
        unenforced = [key for key in _UNENFORCED_TEXT if schema.get(key)]
        pattern, format = schema.get("pattern"), schema.get("format")
        encoding = schema.get("contentEncoding") if self.rewriter.asserts_content else None
        patterns = {
            "pattern": pattern and regular(pattern, format),
            "format": FORMATS.get(str(format), ""),
            "contentEncoding": ENCODINGS.get(str(encoding), ""),
        }
        whole = {key: _whole_text(value) for key, value in patterns.items() if value}
        unenforced += [key for key, value in whole.items() if value is None]
        if format and not patterns["format"] and pattern is None:
            unenforced.append("format")
        if encoding is not None and encoding not in ENCODINGS:
            unenforced.append("contentEncoding")
        self.rewriter.unenforced += [f"{place}.{key}" for key in unenforced]
        parts = list(schema.get("allOf") or ())
        if isinstance(schema.get("$ref"), str):
            parts.append(self.rewriter.references.resolve(schema["$ref"]))
        texts = [self._text(part, place, depth + 1) for part in parts]
        return _every([*texts, _stated_length(schema), Text(patterns=tuple(filter(None, whole.values())))])


def _all_of(schemas: list[Any]) -> Any:
    return schemas[0] if len(schemas) == 1 else {"allOf": schemas}


def _stated_length(schema: Mapping[str, Any]) -> Text:
    most = schema.get("maxLength")
    return Text(int(schema.get("minLength") or 0), None if most is None else int(most))


def _every(texts: list[Text]) -> Text:
    """Merge constraints that must all hold."""
    return Text(
        max(text.least for text in texts),
        min((text.most for text in texts if text.most is not None), default=None),
        tuple(pattern for text in texts for pattern in text.patterns),
    )


def _whole_text(pattern: str) -> str | None:
    """Return a pattern for whole texts; None if it cannot be enforced."""
    return anchored(pattern) if is_regular(pattern) else None


def _both(one: Arguments, other: Arguments) -> Arguments:
    """Merge two sets of arguments that must both hold."""
    properties = {}
    for name in {**one.properties, **other.properties}:
        parts = [*one.properties.get(name, [one.extra]), *other.properties.get(name, [other.extra])]
        properties[name] = [part for part in parts if part is not True] or [True]
    extra = other.extra if one.extra is True else one.extra
    return Arguments(properties, {**one.required, **other.required}, extra, one.is_map and other.is_map)
