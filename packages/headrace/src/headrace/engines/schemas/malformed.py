"""The keywords of a JSON Schema whose values would be invalid in any schema."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from headrace.errors import RequestError
from headrace.wire.expected import show

__all__ = ["TYPES", "check_keywords", "is_usable"]

TYPES: Final = ("string", "integer", "number", "boolean", "null", "object", "array")

_Shape = tuple[Callable[[Any], bool], str]


def _is_type(value: Any) -> bool:
    return isinstance(value, str) and value.lower() in TYPES  # Gemini's are in capitals


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_filled(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


_COUNT: Final[_Shape] = (_is_count, "an integer of at least 0")
_NUMBER: Final[_Shape] = (_is_number, "a number")
_BOUND: Final[_Shape] = (lambda value: _is_number(value) or isinstance(value, bool), "a number")
_TEXT: Final[_Shape] = (lambda value: isinstance(value, str), "a string")
_BOOLEAN: Final[_Shape] = (lambda value: isinstance(value, bool), "true or false")
_OBJECT: Final[_Shape] = (lambda value: isinstance(value, Mapping), "an object")
_SCHEMAS: Final[_Shape] = (_is_filled, "a non-empty list")
_SHAPES: Final[Mapping[str, _Shape]] = {
    "$defs": _OBJECT,
    "$ref": (lambda value: isinstance(value, str), "a string such as #/$defs/Place"),
    "allOf": _SCHEMAS,
    "anyOf": _SCHEMAS,
    "definitions": _OBJECT,
    "dependencies": _OBJECT,
    "dependentRequired": _OBJECT,
    "dependentSchemas": _OBJECT,
    "enum": (lambda value: isinstance(value, list), "a list"),
    "exclusiveMaximum": _BOUND,  # true in draft 4
    "exclusiveMinimum": _BOUND,
    "format": _TEXT,
    "maxItems": _COUNT,
    "maxLength": _COUNT,
    "maxProperties": _COUNT,
    "maximum": _NUMBER,
    "minItems": _COUNT,
    "minLength": _COUNT,
    "minProperties": _COUNT,
    "minimum": _NUMBER,
    "multipleOf": (lambda value: _is_number(value) and value > 0, "a number greater than 0"),
    "oneOf": _SCHEMAS,
    "pattern": _TEXT,
    "patternProperties": _OBJECT,
    "prefixItems": _SCHEMAS,
    "properties": _OBJECT,
    "required": (_are_names, "a list of names"),
    "type": (
        lambda value: _is_type(value) or (_is_filled(value) and all(map(_is_type, value))),
        f"one of {', '.join(TYPES)}, or a list of them",
    ),
    "uniqueItems": _BOOLEAN,
}
"""The check and the description of a keyword's value. Null counts as absent."""


def check_keywords(schema: Mapping[str, Any], place: str) -> None:
    """Check the values of a schema's own keywords, without its subschemas.

    Raises:
        RequestError: 1214, with the place, the value and what it must be.
    """
    for key in _SHAPES.keys() & schema.keys():
        fits, what = _SHAPES[key]
        if schema[key] is not None and not fits(schema[key]):
            raise RequestError(f"{place}.{key} is {show(schema[key])}; it must be {what}")
    for kind in ("Items", "Length", "Properties"):
        least, most = schema.get(f"min{kind}"), schema.get(f"max{kind}")
        if least is not None and most is not None and least > most:
            msg = f"{place}.min{kind} is {least}; it must not be greater than max{kind}, which is {most}"
            raise RequestError(msg)


def is_usable(schema: Any) -> bool:
    """Whether a schema is an object with valid keywords: the target of a reference may be unchecked yet."""
    if not isinstance(schema, Mapping):
        return False
    try:
        check_keywords(schema, "")
    except RequestError:
        return False
    return True
