"""The negation of a JSON Schema as schemas of which one must hold: llguidance has no `not`.

Only what can be written without `not` is negated: types, enumerations, bounds, names of properties, and
combinations of these; not patterns, multiples or items.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import combinations, product
from math import prod
from typing import Any, ClassVar, Final, TypeAlias

from headrace.engines.schemas.disjoint import types_of
from headrace.engines.schemas.malformed import TYPES, is_usable
from headrace.wire.schema_references import SchemaReferences

__all__ = ["Negation", "needed_names", "of_types", "text_other_than"]

Alternatives: TypeAlias = list[Any]

_MAX_ALTERNATIVES: Final = 32
_MAX_DEPTH: Final = 8  # of references, combinations and nested properties
_MAX_STEPS: Final = 2000  # subschemas in one document: references can multiply them
_MAX_TEXT: Final = 2000  # characters of an enumeration
_MAX_WORD: Final = 64  # characters: their pattern has as many levels
_ANNOTATIONS: Final = frozenset(
    {"$comment", "$defs", "$id", "$schema", "default", "definitions", "deprecated", "description", "example"}
    | {"examples", "id", "readOnly", "title", "writeOnly"}
)


class _CannotNegateError(Exception):
    pass


def _bound(type: str, opposite: str, step: int = 0) -> Callable[["Negation", Any, int], Alternatives]:
    """Return a method that negates a bound of a number, or a count."""

    def negate(_: "Negation", value: Any, _depth: int) -> Alternatives:
        if isinstance(value, bool):  # in draft 4, whether the other bound is exclusive
            raise _CannotNegateError
        return [{"type": type, opposite: value + step}] if value or step >= 0 else []

    return negate


class Negation:
    """Negates the schemas of one document.

    Args:
        references: of the document.
    """

    def __init__(self, references: SchemaReferences) -> None:
        self._references = references
        self._steps = 0
        self._negated: dict[
            int, tuple[Any, Alternatives]
        ] = {}  # by id, with the schema, so that it stays its own

    def of(self, schema: Any) -> Alternatives | None:
        """Return schemas of which one holds for exactly the invalid values; None if there are none."""
        try:
            found = self._negate(schema, 0)
        except _CannotNegateError:
            return None
        return found if len(found) <= _MAX_ALTERNATIVES else None

    def exclusive(self, branches: list[Any]) -> Alternatives | None:
        """Return schemas of which one holds where exactly one of the branches does; None as above.

        Also None if one of the branches never holds alone: its author meant `anyOf`.
        """
        negated = [part for branch in branches if (part := self.of(branch)) is not None]
        if len(negated) < len(branches):
            return None
        targets = [self._references.follow(branch) for branch in branches]
        if any(one == other for one, other in combinations(map(_without_annotations, targets), 2)):
            return None
        found: Alternatives = []
        for at, branch in enumerate(branches):
            others = [of_types(each, types_of(targets[at])) for each in negated[:at] + negated[at + 1 :]]
            if not all(others) or prod(map(len, others)) + len(found) > _MAX_ALTERNATIVES:
                return None
            found += ({"allOf": [branch, *each]} for each in product(*others))
        return found

    def conditional(self, condition: Any, then: Any, otherwise: Any) -> Alternatives | None:
        """Return schemas of which one holds where `if`, `then` and `else` do; None as above."""
        negated = self.of(condition)
        if negated is None:
            return None
        return [{"allOf": [condition, then]}, *({"allOf": [each, otherwise]} for each in negated)]

    def _negate(self, schema: Any, depth: int) -> Alternatives:
        if isinstance(schema, bool):
            return [] if schema else [True]
        self._steps += 1
        if self._steps > _MAX_STEPS or depth > _MAX_DEPTH or not is_usable(schema):
            raise _CannotNegateError
        if id(schema) in self._negated:
            return self._negated[id(schema)][1]
        found: Alternatives = []
        for key, value in schema.items():
            if key in _ANNOTATIONS or (value is None and key != "const"):
                continue
            if key not in self._negators or len(found) > _MAX_ALTERNATIVES:
                raise _CannotNegateError
            found += self._negators[key](self, value, depth + 1)
        self._negated[id(schema)] = schema, found
        return found

    def _reference(self, value: str, depth: int) -> Alternatives:
        try:
            return self._negate(self._references.resolve(value), depth)
        except LookupError:
            raise _CannotNegateError from None

    def _all_of(self, value: list[Any], depth: int) -> Alternatives:
        return [negated for part in value for negated in self._negate(part, depth)]

    def _any_of(self, value: list[Any], depth: int) -> Alternatives:
        negated = [self._negate(part, depth) for part in value]
        if prod(map(len, negated)) > _MAX_ALTERNATIVES:
            raise _CannotNegateError
        return [_all_of(each) for each in product(*negated)]

    def _not(self, value: Any, _: int) -> Alternatives:
        if not (isinstance(value, bool) or is_usable(value)):
            raise _CannotNegateError
        return [value]

    def _type(self, value: str | list[str], _: int) -> Alternatives:
        return _types_other_than([value] if isinstance(value, str) else value)

    def _enum(self, value: list[Any], _: int) -> Alternatives:
        """Return other types, other truth values, the numbers between, and other texts."""
        numbers = sorted({each for each in value if _is_number(each)})
        texts = {each for each in value if isinstance(each, str)}
        truths = {each for each in value if isinstance(each, bool)}
        if any(isinstance(each, list | dict) for each in value) or _is_long(texts):
            raise _CannotNegateError
        given = {"boolean": truths, "null": None in value, "number": numbers}
        found = _types_other_than(name for name, values in given.items() if values)
        if texts:  # a pattern leaves other types alone
            found = [{**found[0], "pattern": text_other_than(texts)}]
        if len(truths) == 1:
            found.append({"const": not truths.pop()})
        for low, high in zip([None, *numbers], [*numbers, None], strict=True) if numbers else ():
            bounds = {"exclusiveMinimum": low, "exclusiveMaximum": high}
            found.append({"type": "number", **{key: at for key, at in bounds.items() if at is not None}})
        return found

    def _const(self, value: Any, depth: int) -> Alternatives:
        return self._enum([value], depth)

    def _required(self, value: list[str], _: int) -> Alternatives:
        return [{"type": "object", "properties": {name: False}} for name in value]

    def _properties(self, value: Mapping[str, Any], depth: int) -> Alternatives:
        return [
            {"type": "object", "properties": {name: negated}, "required": [name]}
            for name, part in value.items()
            for negated in self._negate(part, depth)
        ]

    _negators: ClassVar[Mapping[str, Callable[["Negation", Any, int], Alternatives]]] = {
        "$ref": _reference,
        "allOf": _all_of,
        "anyOf": _any_of,
        "const": _const,
        "enum": _enum,
        "exclusiveMaximum": _bound("number", "minimum"),
        "exclusiveMinimum": _bound("number", "maximum"),
        "maxItems": _bound("array", "minItems", 1),
        "maxLength": _bound("string", "minLength", 1),
        "maximum": _bound("number", "exclusiveMinimum"),
        "minItems": _bound("array", "maxItems", -1),
        "minLength": _bound("string", "maxLength", -1),
        "minimum": _bound("number", "exclusiveMaximum"),
        "not": _not,
        "properties": _properties,
        "required": _required,
        "type": _type,
    }


def _all_of(parts: Iterable[Any]) -> Any:
    """Return a schema for values for which all parts hold; equal parts occur once, however deep."""
    flat: dict[int, Any] = {}
    for part in parts:
        inner = part["allOf"] if isinstance(part, dict) and part.keys() == {"allOf"} else [part]
        flat |= {id(each): each for each in inner}
    return {"allOf": list(flat.values())}


def _is_long(texts: Collection[str]) -> bool:
    return sum(map(len, texts)) > _MAX_TEXT or any(len(text) > _MAX_WORD for text in texts)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _types_other_than(names: Iterable[str]) -> Alternatives:
    given = {name.lower() for name in names}
    if "integer" in given and "number" not in given:  # what remains has no name
        raise _CannotNegateError
    others = [name for name in TYPES if name not in {*given, "integer"}]
    return [{"type": others}] if others else []


def _without_annotations(schema: Any) -> Any:
    return (
        {key: part for key, part in schema.items() if key not in _ANNOTATIONS}
        if isinstance(schema, dict)
        else schema
    )


def of_types(alternatives: Alternatives, types: Iterable[str]) -> Alternatives:
    """Return the alternatives for values of some of these types; with no type, all."""
    allowed = {name.lower() for name in types}
    if not allowed:
        return alternatives
    allowed |= {"number"} if "integer" in allowed else set()
    found: Alternatives = []
    for each in alternatives:
        stated = each.get("type", []) if isinstance(each, dict) else []
        common = [
            name for name in ([stated] if isinstance(stated, str) else stated) if name.lower() in allowed
        ]
        if common or not stated:
            found.append({**each, "type": common} if common else each)
    return found


def needed_names(schema: Any) -> set[str]:
    """Return the names of the properties that a schema, or a part of it, requires."""
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    own = schema.get("required") if isinstance(schema, dict) else None
    names = {name for name in own if isinstance(name, str)} if isinstance(own, list) else set()
    return names.union(*map(needed_names, parts))


def text_other_than(words: Iterable[str]) -> str:
    """Return an anchored pattern for the texts that are none of the words."""
    tree: dict[str, Any] = {}
    for word in words:
        node = tree
        for char in word:
            node = node.setdefault(char, {})
        node[""] = {}
    return f"^{_other_than(tree)}$"


def _other_than(tree: dict[str, Any]) -> str:
    chars = sorted(char for char in tree if char)
    other = f"[^{''.join(map(re.escape, chars))}](?s:.*)" if chars else "(?s:.+)"
    parts = [other, *(re.escape(char) + _other_than(tree[char]) for char in chars)]
    return f"(?:{'|'.join(parts)}){'' if '' in tree else '?'}"
