"""Validation of JSON Schemas before a grammar is built from them.

A schema may be invalid (`malformed`), or use a keyword that a grammar cannot express (`unenforceable`).
A keyword whose value is null counts as absent.
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
_MAX_REPETITIONS: Final = 2000  # llama.cpp expands required repetitions

_Shape = tuple[Callable[[Any], bool], str]


def _is_type(value: Any) -> bool:
    return isinstance(value, str) and value in TYPES


def _is_filled(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_OBJECT: Final[_Shape] = (lambda value: isinstance(value, Mapping), "an object")
_LIST: Final[_Shape] = (_is_filled, "a non-empty list")
_LEAST: Final[_Shape] = (
    lambda value: _is_count(value) and value <= _MAX_REPETITIONS,
    f"an integer from 0 to {_MAX_REPETITIONS}",
)
_MOST: Final[_Shape] = (_is_count, "an integer of at least 0")
_SHAPES: Final[Mapping[str, _Shape]] = {
    "$defs": _OBJECT,
    "$ref": (lambda value: isinstance(value, str), "a string such as #/$defs/Place"),
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
"""The check and the description of a keyword's value."""


def malformed(schema: Any, path: str) -> str:
    """Describe the first error in a schema: its path, the value, the expected type; "" if there is none."""
    return next(_malformed(schema, schema, path), "")


def unenforceable(schema: Any, path: str) -> str:
    """Return the path of the first keyword that a grammar cannot express; "" if there is none."""
    return next(_unenforceable(schema, path), "")


def resolve(reference: str, root: Any) -> Any:
    """Return the part of `root` that a `$ref` refers to; None if there is none."""
    part = root
    for key in filter(None, reference.removeprefix("#").split("/")):
        name = key.replace("~1", "/").replace("~0", "~")
        part = part.get(name) if isinstance(part, Mapping) else None
    return part


def _malformed(schema: Any, root: Any, path: str) -> Iterator[str]:
    if isinstance(schema, bool) and (schema or schema is not root):  # nothing is valid against `false`
        return
    if not isinstance(schema, Mapping):
        yield f"{path} is {show(schema)}; it must be a JSON Schema, an object"
        return
    for key, (fits, what) in _SHAPES.items():
        if schema.get(key) is not None and not fits(schema[key]):
            yield f"{path}.{key} is {show(schema[key])}; it must be {what}"
    for kind in ("Items", "Length"):
        least, most = schema.get(f"min{kind}"), schema.get(f"max{kind}")
        if least is not None and most is not None and least > most:
            yield f"{path}.min{kind} is {least}; it must not be greater than max{kind}, which is {most}"
    if (reference := schema.get("$ref") or "").startswith("#") and resolve(reference, root) is None:
        yield f"{path}.$ref is {show(reference)}, which does not exist"
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
    """Yield the direct subschemas with their paths."""
    for key in ("properties", "$defs", "definitions"):
        for name, part in (schema.get(key) or {}).items():
            yield f".{key}.{name}", part
    for key in ("anyOf", "oneOf", "allOf"):
        for index, part in enumerate(schema.get(key) or ()):
            yield f".{key}[{index}]", part
    for key in ("items", "additionalProperties"):
        if schema.get(key) is not None:
            yield f".{key}", schema[key]
