"""Plain JSON → structs. Absent fields are None; unknown fields and plain values of a wrong type are kept."""

import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from headrace.errors import DecodeError

__all__ = ["build_model", "construct"]


construct: Final[Any] = msgspec.StructMeta.__call__
"""Constructs a struct from values for its declared fields; raises TypeError for others."""

_ModelT = TypeVar("_ModelT", bound=msgspec.Struct)


def build_model(model: type[_ModelT], value: Mapping[str, Any]) -> _ModelT:
    """Build a `WireModel`.

    Raises:
        DecodeError: a value is not the object, or the list of objects, that its field requires.
    """
    shape = _shape(model)
    known = dict.fromkeys(model.__struct_fields__)
    extras = {}
    for name, item in value.items():
        if name not in shape:
            extras[name] = item
        elif (part := shape[name]) is None:
            known[name] = item
        else:
            known[name] = _build_part(name, part[0], part[1], item)
    built: _ModelT = construct(model, **known).with_extras(extras)
    return built


def _build_part(name: str, model: type[msgspec.Struct], is_list: bool, value: Any) -> Any:  # noqa: FBT001
    if is_list and isinstance(value, list):
        parts = (_build_part(name, model, False, item) for item in value)
        return [part for part in parts if part is not None]
    if isinstance(value, dict) and not is_list:
        return build_model(model, value)
    if isinstance(value, msgspec.Struct) and not is_list:
        return value
    if value:
        wanted = "a list of objects" if is_list else "an object"
        msg = f"{name} is {_show(value)}, not {wanted}"
        raise DecodeError(msg)
    return None


@cache
def _shape(model: type[msgspec.Struct]) -> dict[str, tuple[type[msgspec.Struct], bool] | None]:
    """Map each field to the struct it holds and whether it is a list of them; to None for plain JSON."""
    hints = typing.get_type_hints(model)
    return {name: _part_in(hints[name]) for name in model.__struct_fields__}


def _part_in(hint: Any) -> tuple[type[msgspec.Struct], bool] | None:
    arguments = typing.get_args(hint)
    if not arguments:
        return (hint, False) if isinstance(hint, type) and issubclass(hint, msgspec.Struct) else None
    part = next(filter(None, map(_part_in, arguments)), None)
    return part and (part[0], part[1] or typing.get_origin(hint) is list)


def _show(value: Any) -> str:
    text = msgspec.json.encode(value, enc_hook=repr).decode()
    return repr(text if len(text) <= 80 else text[:77] + "…")
