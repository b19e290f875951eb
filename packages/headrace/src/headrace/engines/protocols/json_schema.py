"""What is wrong with a JSON Schema, before a grammar is made of it.

It may be no schema at all (`malformed`), or ask for what a grammar cannot say (`unenforceable`).
A null is as if the keyword were absent.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from headrace.wire.expected import show

__all__ = ["TYPES", "malformed", "resolve", "unenforceable"]

TYPES: Final = ("string", "integer", "number", "boolean", "null", "object", "array")

_UNENFORCEABLE: Final = frozenset(
    {
        "contains",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "if",
        "maximum",
        "maxProperties",
        "minimum",
        "minProperties",
        "multipleOf",
        "not",
        "pattern",
        "patternProperties",
        "prefixItems",
        "propertyNames",
        "then",
        "uniqueItems",
    }
)
_MOST_REPEATED: Final = 2000  # llama.cpp writes out what must be there so many times

_Shape = tuple[Callable[[Any], bool], str]


def _is_type(value: Any) -> bool:
    return isinstance(value, str) and value in TYPES


def _is_filled(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_OBJECT: Final[_Shape] = (lambda value: isinstance(value, Mapping), "an object")
_LIST: Final[_Shape] = (_is_filled, "a list that is not empty")
_LEAST: Final[_Shape] = (
    lambda value: _is_count(value) and value <= _MOST_REPEATED,
    f"an integer from 0 to {_MOST_REPEATED}",
)
_MOST: Final[_Shape] = (_is_count, "an integer from 0 on")
_SHAPES: Final[Mapping[str, _Shape]] = {
    "$defs": _OBJECT,
    "$ref": (lambda value: isinstance(value, str), "a text such as #/$defs/Place"),
    "allOf": _LIST,
    "anyOf": _LIST,
    "definitions": _OBJECT,
    "enum": _LIST,
    "maxItems": _MOST,
    "maxLength": _MOST,
    "minItems": _LEAST,
    "minLength": _LEAST,
    "oneOf": _LIST,
    "properties": _OBJECT,
    "required": (
        lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
        "a list of names",
    ),
    "type": (
        lambda value: _is_type(value) or (_is_filled(value) and all(map(_is_type, value))),
        f"one of {', '.join(TYPES)}, or a list of them",
    ),
}
"""What the value of a keyword must be."""


def malformed(schema: Any, path: str) -> str:
    """The first thing in it that is wrong: where it stands, what it is, what it must be; "" if none is."""
    return next(_malformed(schema, schema, path), "")


def unenforceable(schema: Any, path: str) -> str:
    """Where the first thing stands that a grammar cannot say; "" if there is none."""
    return next(_unenforceable(schema, path), "")


def resolve(reference: str, root: Any) -> Any:
    """The part of `root` that a `$ref` names; None if there is none."""
    part = root
    for key in filter(None, reference.removeprefix("#").split("/")):
        name = key.replace("~1", "/").replace("~0", "~")
        part = part.get(name) if isinstance(part, Mapping) else None
    return part


def _malformed(schema: Any, root: Any, path: str) -> Iterator[str]:
    if isinstance(schema, bool) and (schema or schema is not root):  # no answer at all fits `false`
        return
    if not isinstance(schema, Mapping):
        yield f"{path} is {show(schema)}; it must be a JSON Schema, which is an object"
        return
    for key, (fits, what) in _SHAPES.items():
        if schema.get(key) is not None and not fits(schema[key]):
            yield f"{path}.{key} is {show(schema[key])}; it must be {what}"
    for kind in ("Items", "Length"):
        least, most = schema.get(f"min{kind}"), schema.get(f"max{kind}")
        if least is not None and most is not None and least > most:
            yield f"{path}.min{kind} is {least}; it must not be greater than max{kind}, which is {most}"
    if (reference := schema.get("$ref") or "").startswith("#") and resolve(reference, root) is None:
        yield f"{path}.$ref is {show(reference)}, which is not there"
    for where, part in _parts(schema):
        yield from _malformed(part, root, path + where)


def _unenforceable(schema: Any, path: str) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    yield from (f"{path}.{key}" for key in schema if key in _UNENFORCEABLE)
    if not (schema.get("$ref") or "#").startswith("#"):
        yield f"{path}.$ref"
    for where, part in _parts(schema):
        yield from _unenforceable(part, path + where)


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas within a schema, each with its place."""
    for key in ("properties", "$defs", "definitions"):
        for name, part in (schema.get(key) or {}).items():
            yield f".{key}.{name}", part
    for key in ("anyOf", "oneOf", "allOf"):
        for index, part in enumerate(schema.get(key) or ()):
            yield f".{key}[{index}]", part
    for key in ("items", "additionalProperties"):
        if schema.get(key) is not None:
            yield f".{key}", schema[key]
