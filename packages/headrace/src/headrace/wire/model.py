"""The base of every type that is read from the wire: attributes, unknown fields kept, null is absent.

msgspec decodes 0.5 µs a chunk. What a peer sends beyond the declared fields lands in `__dict__`
(see `wire/decode.py`), so that it can be read and is written again.
"""

from collections.abc import Container, ItemsView, Iterator, KeysView, ValuesView
from typing import Any, Self

import msgspec

__all__ = ["WireModel"]


class WireModel(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, dict=True, weakref=True):
    """A JSON object of the API. An absent field is None; attributes can be read and set."""

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for name in self.__struct_fields__:
            yield name, getattr(self, name)
        yield from self.__dict__.items()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self if value is not None)
        return f"{type(self).__name__}({fields})"

    def __copy__(self) -> Self:
        return type(self)(**self._fields()).with_extras(self.__dict__)

    def __reduce__(self) -> Any:  # a struct's own would lose `__dict__`
        return _rebuild, (type(self), self._fields(), dict(self.__dict__))

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__struct_fields__}

    def with_extras(self, extras: dict[str, Any]) -> Self:
        """Itself, with fields that are not declared."""
        if extras:
            self.__dict__.update(extras)
        return self

    @property
    def model_extra(self) -> dict[str, Any]:
        """What the peer sent beyond the declared fields."""
        return dict(self.__dict__)

    def get(self, name: str, default: Any = None) -> Any:
        """The field, or `default` where it is absent."""
        value = getattr(self, name, None)
        return default if value is None else value

    def keys(self) -> KeysView[str]:
        """As a dict's, absent fields left out."""
        return self.to_dict().keys()

    def values(self) -> ValuesView[Any]:
        """As a dict's, absent fields left out."""
        return self.to_dict().values()

    def items(self) -> ItemsView[str, Any]:
        """As a dict's, absent fields left out."""
        return self.to_dict().items()

    def to_dict(self, **_: Any) -> dict[str, Any]:
        """Plain dicts and lists, absent fields left out."""
        plain: dict[str, Any] = _plain(self)
        return plain

    def to_json(self, *, indent: int | None = 2, **_: Any) -> str:
        """JSON text of `to_dict`."""
        return _json(self.to_dict(), indent)

    def model_dump(
        self,
        *,
        include: Container[str] | None = None,
        exclude: Container[str] | None = None,
        exclude_none: bool = False,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        **_: Any,
    ) -> dict[str, Any]:
        """As pydantic's: every declared field, None included unless it is excluded.

        Args:
            include: the only fields to show; names of this object's own, not of those within.
            exclude: fields to leave out, likewise.
            exclude_none: leave out what is None.
            exclude_unset: the same, since what is absent is None.
            exclude_defaults: the same.
        """
        if isinstance(include, dict) or isinstance(exclude, dict):
            msg = "include and exclude take a set of names, not what to show within"
            raise TypeError(msg)
        plain: dict[str, Any] = _plain(
            self, keep_none=not (exclude_none or exclude_unset or exclude_defaults)
        )
        names = plain.keys() if include is None else include
        return {name: plain[name] for name in plain if name in names and name not in (exclude or ())}

    def model_dump_json(self, *, indent: int | None = None, **options: Any) -> str:
        """JSON text of `model_dump`."""
        return _json(self.model_dump(**options), indent)


def _rebuild(cls: type[WireModel], fields: dict[str, Any], extras: dict[str, Any]) -> WireModel:
    return cls(**fields).with_extras(extras)


def _json(value: dict[str, Any], indent: int | None) -> str:
    text = msgspec.json.encode(value)
    return (msgspec.json.format(text, indent=indent) if indent else text).decode()


def _plain(value: Any, *, keep_none: bool = False) -> Any:
    if isinstance(value, WireModel):
        items = ((name, _plain(item, keep_none=keep_none)) for name, item in value)
        return {name: item for name, item in items if keep_none or item is not None}
    if isinstance(value, list):
        return [_plain(item, keep_none=keep_none) for item in value]
    return value
