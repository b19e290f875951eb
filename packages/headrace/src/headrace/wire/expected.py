"""Plain JSON → typed values, with errors that name the field, its value and the expected type."""

import re
from collections.abc import Iterator, Mapping, Sequence
from math import isinf
from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

from headrace.errors import RequestError

__all__ = ["convert", "show"]

_WORDS: Final[dict[type, str]] = {
    inspect.BoolType: "true or false",
    inspect.StrType: "a string",
    inspect.IntType: "an integer",
    inspect.FloatType: "a number",
    inspect.ListType: "a list",
    inspect.StructType: "an object",
    inspect.DictType: "an object",
}
_SHOWN: Final = 80  # characters

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


def show(value: Any) -> str:
    """Format a value for a message: JSON, truncated."""
    if isinstance(value, float) and isinf(value):  # for msgspec, null
        return str(value)
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "…"


def convert(fields: Mapping[str, Any], kind: type[_Struct]) -> _Struct:
    """Convert plain JSON to a struct.

    Raises:
        RequestError: 1213, a field is missing; 1214, a value has the wrong type, or a field is unknown.
    """
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise _explain(error, fields, kind) from None


def _explain(
    error: msgspec.ValidationError, fields: Mapping[str, Any], kind: type[msgspec.Struct]
) -> RequestError:
    """Describe msgspec's error: the path, the value and the expected type."""
    reason, _, path = str(error).partition(" - at `$")
    path = path.rstrip("`").removeprefix(".")
    keys = [int(at) if at else name for at, name in re.findall(r"\[(\d+)\]|(\w+)", path)]
    field = f"{path}.{reason.rpartition('field ')[2].strip('`')}".lstrip(".")
    if "missing required field" in reason:
        return RequestError(f"{field} is missing", code="1213")
    if "unknown field" in reason:
        return RequestError(f"{field} is not supported; remove it")
    value: Any = fields
    for key in keys:
        value = value[key]
    return RequestError(f"{path} is {show(value)}; it must be {_expected(kind, keys)}")


def _expected(model: type[msgspec.Struct], path: Sequence[str | int]) -> str:
    """Describe the type at a path: `true or false`, `"auto" or "none" or an object`.

    Args:
        model: the type of the root.
        path: names of fields and indexes of lists, from the outside in.
    """
    kinds = [inspect.type_info(model)]
    for key in path:
        kinds = [part for kind in kinds for part in _parts(kind, key)]
    return " or ".join(dict.fromkeys(word for kind in kinds for word in _words(kind)))


def _parts(kind: inspect.Type, key: str | int) -> Iterator[inspect.Type]:
    match kind:
        case inspect.UnionType(types=types):
            for one in types:
                yield from _parts(one, key)
        case inspect.StructType(fields=fields):
            yield from (field.type for field in fields if field.encode_name == key)
        case inspect.ListType(item_type=item) if isinstance(key, int):
            yield item


def _words(kind: inspect.Type) -> Iterator[str]:
    match kind:
        case inspect.UnionType(types=types):
            for one in types:
                yield from _words(one)
        case inspect.LiteralType(values=values):
            yield from map(show, values)
        case _ if type(kind) in _WORDS:
            yield _WORDS[type(kind)]
