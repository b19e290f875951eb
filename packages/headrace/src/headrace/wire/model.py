"""The base of every type that is decoded from JSON: attributes, with unknown fields kept; null means absent.

msgspec decodes a chunk in 0.5 µs. Undeclared fields are stored in the object's dict (see `wire/build.py`), so
that they are accessible and encoded again. Programs for PyPI's zai-sdk treat the objects as pydantic models,
so they have those methods of pydantic that such programs call.
"""

from collections.abc import Container, ItemsView, Iterator, KeysView, Mapping, ValuesView
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec
from msgspec import structs

from headrace.errors import DecodeError
from headrace.wire.build import build_model, construct

__all__ = ["WireModel", "accept_json_in_constructors"]

_Fields = dict[str, Any]  # a name for annotations: within the class, `dict` is a method


class _Constructor(msgspec.StructMeta):
    """The type of the classes; its `__call__` constructs objects."""


def accept_json_in_constructors() -> None:
    """Let constructors accept what pydantic's do: dicts for objects, undeclared fields, or fewer fields.

    For programs that use the SDK; the server does without, because construction becomes slower.
    """
    _Constructor.__call__ = _construct_from_json  # type: ignore[assignment]


def _construct_from_json(cls: Any, *arguments: Any, **fields: Any) -> Any:
    for value in fields.values():
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            return build_model(cls, fields)
    try:
        return construct(cls, *arguments, **fields)
    except TypeError:
        if arguments:
            raise
        return build_model(cls, fields)


class _DeclaredFields:
    """The declared fields by name, of a class or of an object."""

    def __get__(self, instance: object, owner: Any) -> dict[str, structs.FieldInfo]:
        return {field.name: field for field in structs.fields(owner)}


class _Extensible(msgspec.Struct, dict=True, weakref=True):
    """A struct whose `__dict__` holds its undeclared fields."""


_extras = vars(_Extensible)["__dict__"].__get__


class WireModel(_Extensible, metaclass=_Constructor, omit_defaults=True, forbid_unknown_fields=True):
    """A JSON object of the API. An absent field is None; attributes are mutable."""

    other_fields: ClassVar[frozenset[str]] = frozenset()
    """Declared fields that are not Z.ai's: `model_dump` leaves them out if they are None."""

    model_fields: ClassVar = _DeclaredFields()

    if not TYPE_CHECKING:

        @property
        def __dict__(self) -> _Fields:
            """All fields, as programs expect that encode unknown objects by `vars`."""
            return dict(iter(self))

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for name in self.__struct_fields__:
            yield name, getattr(self, name)
        yield from _extras(self).items()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self if value is not None)
        return f"{type(self).__name__}({fields})"

    def __copy__(self) -> Self:
        fields, extras = self._parts()
        return type(self)(**fields).with_extras(extras)

    def __reduce__(self) -> Any:  # the struct's own would lose undeclared fields
        return _rebuild, (type(self), *self._parts())

    def _parts(self) -> tuple[_Fields, _Fields]:
        return {name: getattr(self, name) for name in self.__struct_fields__}, self.model_extra

    def with_extras(self, extras: _Fields) -> Self:
        """Set undeclared fields; return the object itself."""
        if extras:
            _extras(self).update(extras)
        return self

    @property
    def model_extra(self) -> _Fields:
        """The undeclared fields that the peer sent."""
        return dict(_extras(self))

    @property
    def model_fields_set(self) -> set[str]:
        """The names of the fields that are not None."""
        return {name for name, value in self if value is not None}

    def get(self, name: str, default: Any = None) -> Any:
        """Return the field, or `default` if it is absent."""
        value = getattr(self, name, None)
        return default if value is None else value

    def keys(self) -> KeysView[str]:
        """Like a dict's, without absent fields."""
        return self.to_dict().keys()

    def values(self) -> ValuesView[Any]:
        """Like a dict's, without absent fields."""
        return self.to_dict().values()

    def items(self) -> ItemsView[str, Any]:
        """Like a dict's, without absent fields."""
        return self.to_dict().items()

    def to_dict(self, **_: Any) -> _Fields:
        """Convert to plain dicts and lists, without absent fields."""
        plain: _Fields = _plain(self)
        return plain

    def to_json(self, *, indent: int | None = 2, **_: Any) -> str:
        """Encode `to_dict` as JSON text."""
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
    ) -> _Fields:
        """Convert as pydantic does: every field that zai-sdk declares, those that are None included.

        Args:
            include: the only fields to include; top-level names only.
            exclude: fields to leave out, likewise.
            exclude_none: leave out fields that are None.
            exclude_unset: the same, since absent fields are None.
            exclude_defaults: the same.
        """
        if isinstance(include, dict) or isinstance(exclude, dict):
            msg = "include and exclude take a set of names; nested dicts are not supported"
            raise TypeError(msg)
        plain: _Fields = _plain(self, keep_none=not (exclude_none or exclude_unset or exclude_defaults))
        names = plain.keys() if include is None else include
        return {name: plain[name] for name in plain if name in names and name not in (exclude or ())}

    def model_dump_json(self, *, indent: int | None = None, **options: Any) -> str:
        """Encode `model_dump` as JSON text."""
        return _json(self.model_dump(**options), indent)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy, then set the fields in `update`."""
        copied = deepcopy(self) if deep else self.__copy__()
        for name, value in (update or {}).items():
            setattr(copied, name, value)
        return copied

    @classmethod
    def model_construct(cls, _fields_set: Container[str] | None = None, **fields: Any) -> Self:
        """Construct an object; absent fields are None."""
        return build_model(cls, fields)

    @classmethod
    def model_validate(cls, value: Any, **_: Any) -> Self:
        """Build an object from a dict; return an object of this class as it is.

        Raises:
            ValueError: `value` is neither, or a part of it has no such form.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            msg = f"expected a dict or a {cls.__name__}, not {value!r}"
            raise ValueError(msg)  # noqa: TRY004 - pydantic expects it of validators
        try:
            return build_model(cls, value)
        except DecodeError as error:
            raise ValueError(str(error)) from error

    @classmethod
    def model_validate_json(cls, text: str | bytes, **_: Any) -> Self:
        """Build an object from JSON."""
        return cls.model_validate(msgspec.json.decode(text))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Let a field of a pydantic model have this type."""
        from pydantic_core import core_schema  # pydantic itself calls this

        return core_schema.no_info_after_validator_function(
            cls.model_validate,
            core_schema.any_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(cls.model_dump),
        )

    # The names of pydantic 1.
    dict = model_dump
    json = model_dump_json
    copy = model_copy
    construct: ClassVar = model_construct
    parse_obj: ClassVar = model_validate
    parse_raw: ClassVar = model_validate_json


def _rebuild(cls: type[WireModel], fields: dict[str, Any], extras: dict[str, Any]) -> Any:
    return cls(**fields).with_extras(extras)


def _json(value: dict[str, Any], indent: int | None) -> str:
    text = msgspec.json.encode(value)
    return (msgspec.json.format(text, indent=indent) if indent else text).decode()


def _plain(value: Any, *, keep_none: bool = False) -> Any:
    if isinstance(value, WireModel):
        items = ((name, _plain(item, keep_none=keep_none)) for name, item in value)
        return {
            name: item
            for name, item in items
            if item is not None or (keep_none and name not in value.other_fields)
        }
    if isinstance(value, list):
        return [_plain(item, keep_none=keep_none) for item in value]
    return value
