"""The JSON types that an argument may have, by the JSON Schema of a tool's parameters.

Reads schemas; never validates a value. No schema raises, however malformed.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from headrace.wire.schema_references import SchemaReferences

__all__ = ["ANY", "JsonTypes", "ParametersSchema"]

_ALTERNATIVES: Final = frozenset({"anyOf", "oneOf"})
_COMBINATIONS: Final = _ALTERNATIVES | {"allOf"}
_NONE: Final[Mapping[str, str]] = {}
_MAX_DEPTH = 32  # of nested schemas
_Given: TypeAlias = tuple[tuple[str, str], ...]  # arguments: names and texts


class JsonTypes(msgspec.Struct, frozen=True):
    """The types that a value may have.

    Args:
        names: as in JSON Schema, where `integer` counts as `number`.
        strings: texts that look like another type but are strings: the "7" of `enum: ["7", 8]`.
    """

    names: frozenset[str]
    strings: frozenset[str] = frozenset()


_OF_TYPE: Final = {
    name: JsonTypes(frozenset({type_}))
    for type_, names in {
        "string": ("string", "str"),
        "number": ("number", "integer", "int", "float"),
        "boolean": ("boolean", "bool"),
        "null": ("null",),
        "object": ("object",),
        "array": ("array",),
    }.items()
    for name in names
}
ANY: Final = JsonTypes(frozenset().union(*(types.names for types in _OF_TYPE.values())))
"""Every type."""


class ParametersSchema:
    """The parameters of one tool. Caches its results.

    Args:
        root: the schema; None if the tool has none.
    """

    def __init__(self, root: Mapping[str, Any] | None) -> None:
        self.root: Mapping[str, Any] = root or {}
        self._references = SchemaReferences(self.root)
        self._of_property: dict[tuple[int, str, _Given], JsonTypes | None] = {}
        self._of_key: dict[str, JsonTypes] = {}
        self._of_schema: dict[int, JsonTypes] = {}
        self._kept: list[Any] = []  # so that the ids above stay theirs
        target = self._references.follow(self.root)
        self.has_alternatives = isinstance(target, dict) and not _ALTERNATIVES.isdisjoint(target)
        """Whether the type of an argument may depend on the arguments before it."""

    @property
    def keys(self) -> list[str]:
        """The names of the properties that the schema itself lists."""
        root = self._references.follow(self.root)
        properties = root.get("properties") if isinstance(root, dict) else None
        return [key for key in properties if isinstance(key, str)] if isinstance(properties, dict) else []

    def types_of(self, key: str, given: Mapping[str, str] = _NONE) -> JsonTypes:
        """Return the types that the argument `key` may have.

        Args:
            key: the name of the argument.
            given: the texts of the arguments before it: one may be a constant that tells alternatives apart.
        """
        if given:
            return self._property(self.root, key, tuple(given.items())) or ANY
        types = self._of_key.get(key)
        if types is None:
            types = self._of_key[key] = self._property(self.root, key, ()) or ANY
        return types

    def types(self, schema: Any) -> JsonTypes:
        """Return the types that a subschema allows."""
        self._kept.append(schema)
        return self._types(schema)

    def part(self, schema: Any, key: str | None, depth: int = 0) -> Any:
        """Return the schema of a property, or of an array's items if `key` is None; None if there is none."""
        schema = self._references.follow(schema)
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return None
        properties = schema.get("properties")
        if isinstance(properties, dict) and key in properties:
            return properties[key]
        stated = schema.get("items" if key is None else "additionalProperties")
        if isinstance(stated, dict):
            return stated
        alternatives = [part for name in _COMBINATIONS & schema.keys() for part in schema[name] or ()]
        parts = (self.part(alternative, key, depth + 1) for alternative in alternatives)
        return next((part for part in parts if part is not None), None)

    def _property(self, schema: Any, key: str, given: _Given, depth: int = 0) -> JsonTypes | None:
        """Return the types of one property of the objects that `schema` allows; None if it names no such."""
        schema = self._references.follow(schema)
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return None
        known = (id(schema), key, given)
        if known not in self._of_property:
            self._of_property[known] = None  # if the schema refers to itself
            properties = schema.get("properties")
            stated = None
            if isinstance(properties, dict) and key in properties:
                stated = self._types(properties[key])
            elif isinstance(schema.get("additionalProperties"), dict):
                stated = self._types(schema["additionalProperties"])
            self._of_property[known] = self._combined(
                stated,
                schema,
                lambda part: self._property(part, key, given, depth + 1),
                lambda part: self._contradicts(part, given),
            )
        return self._of_property[known]

    def _contradicts(self, schema: Any, given: _Given) -> bool:
        """Whether a given argument is none of the values that an alternative enumerates."""
        schema = self._references.follow(schema)
        properties = schema.get("properties") if isinstance(schema, dict) else None
        if not isinstance(properties, dict):
            return False
        return any(
            (values := _enumerated(self._references.follow(properties.get(name)))) is not None
            and text not in values
            for name, text in given
        )

    def _types(self, schema: Any, depth: int = 0) -> JsonTypes:
        schema = self._references.follow(schema)
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return ANY
        if id(schema) not in self._of_schema:
            self._of_schema[id(schema)] = ANY  # if the schema refers to itself
            types = self._combined(_stated(schema), schema, lambda part: self._types(part, depth + 1)) or ANY
            if schema.get("nullable") is True:
                types = _union([types, _OF_TYPE["null"]])
            self._of_schema[id(schema)] = types
        return self._of_schema[id(schema)]

    def _combined(
        self,
        types: JsonTypes | None,
        schema: Mapping[str, Any],
        of_part: Callable[[Any], JsonTypes | None],
        is_excluded: Callable[[Any], bool] = lambda _: False,
    ) -> JsonTypes | None:
        """Narrow `types` by the subschemas of `schema`. None is a schema without a statement about it."""
        for name in _COMBINATIONS & schema.keys():
            parts = schema[name] if isinstance(schema[name], list) else []
            if name in _ALTERNATIVES:
                parts = [part for part in parts if not is_excluded(part)] or parts
            found = [stated for part in parts if (stated := of_part(part)) is not None]
            if not found:
                continue
            if name != "allOf":
                found = [_union(found)]
            for stated in found:
                types = stated if types is None else _intersection(types, stated)
        return types


def _stated(schema: Mapping[str, Any]) -> JsonTypes:
    """Return the types by the schema's own keywords, without its subschemas."""
    stated = schema.get("type")
    if isinstance(stated, list):
        types = _union([_OF_TYPE[name.lower()] for name in stated if _is_type(name)])
    else:
        types = _OF_TYPE[str(stated).lower()] if _is_type(stated) else ANY
    if isinstance(schema.get("enum"), list):
        types = _intersection(types, _of_values(schema["enum"]))
    if "const" in schema:
        types = _intersection(types, _of_values([schema["const"]]))
    return types


def _is_type(name: Any) -> bool:
    return isinstance(name, str) and name.lower() in _OF_TYPE  # Gemini's are in capitals


def _intersection(one: JsonTypes, other: JsonTypes) -> JsonTypes:
    """Return the types allowed by both; every type if there are none."""
    return JsonTypes(one.names & other.names or ANY.names, one.strings | other.strings)


def _union(alternatives: list[JsonTypes]) -> JsonTypes:
    return JsonTypes(
        frozenset().union(*(types.names for types in alternatives)) or ANY.names,
        frozenset().union(*(types.strings for types in alternatives)),
    )


def _enumerated(schema: Any) -> set[str] | None:
    """Return the texts of the values that a schema enumerates, as in markup; None if it does not."""
    if not isinstance(schema, dict):
        return None
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list):
        return None
    return {value if isinstance(value, str) else json.dumps(value) for value in values}


def _of_values(values: list[Any]) -> JsonTypes:
    literals = {json.dumps(value) for value in values if isinstance(value, int | float | None)}
    strings = frozenset(value for value in values if isinstance(value, str))
    return JsonTypes(frozenset(map(_type_of, values)), strings - literals)


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"
