"""Descriptions of values and of expected types, for error messages."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import inspect

__all__ = ["expected", "show"]

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


def show(value: Any) -> str:
    """Format a value for a message: JSON, truncated."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "…"


def expected(model: type[msgspec.Struct], path: Sequence[str | int]) -> str:
    """Describe the type at a path: `true or false`, `"auto" or "none" or an object`.

    Args:
        model: the type of the root.
        path: names of fields and indexes of lists, from the outside in.
    """
    kinds = [inspect.type_info(model)]
    for key in path:
        kinds = [part for kind in kinds for part in _parts(kind, key)]
    return " or ".join(word for kind in kinds for word in _words(kind))


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
