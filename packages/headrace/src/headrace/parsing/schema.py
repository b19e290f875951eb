"""Which JSON types an argument may have, by the JSON Schema of a tool's parameters.

Reads schemas; never validates a value. Whatever a schema says, sensible or not, nothing raises.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

__all__ = ["ANY", "JsonTypes", "ParametersSchema"]

_COMBINATIONS: Final = frozenset({"anyOf", "oneOf", "allOf"})
_MAX_DEPTH = 32  # of schemas in schemas, and of references to references


class JsonTypes(msgspec.Struct, frozen=True):
    """The types that a value may have.

    Args:
        names: of JSON Schema, where `integer` counts as `number`.
        strings: texts that look like another type and are strings: the "7" of `enum: ["7", 8]`.
    """

    names: frozenset[str]
    strings: frozenset[str] = frozenset()


_OF_TYPE: Final = {
    name: JsonTypes(frozenset({kind}))
    for kind, names in {
        "string": ("string", "str"),
        "number": ("number", "integer", "int", "float"),
        "boolean": ("boolean", "bool"),
        "null": ("null",),
        "object": ("object",),
        "array": ("array",),
    }.items()
    for name in names
}
ANY: Final = JsonTypes(frozenset().union(*(kinds.names for kinds in _OF_TYPE.values())))
"""No statement: every type."""


class ParametersSchema:
    """The parameters of one tool. Remembers what it has found out.

    Args:
        root: the schema; None where the tool has none.
    """

    def __init__(self, root: Mapping[str, Any] | None) -> None:
        self._root: Mapping[str, Any] = root or {}
        self._of_property: dict[tuple[int, str], JsonTypes] = {}
        self._of_schema: dict[int, JsonTypes] = {}

    def kinds_of(self, key: str) -> JsonTypes:
        """The types that the argument `key` may have."""
        return self._property(self._root, key)

    def _property(self, schema: Any, key: str, depth: int = 0) -> JsonTypes:
        """As `_kinds`, of one property of the objects that `schema` allows."""
        schema = self._resolve(schema)
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return ANY
        known = (id(schema), key)
        if known not in self._of_property:
            self._of_property[known] = ANY  # while it refers to itself
            properties = schema.get("properties")
            if isinstance(properties, dict) and key in properties:
                stated = self._kinds(properties[key])
            else:
                stated = self._kinds(schema.get("additionalProperties"))
            self._of_property[known] = self._combined(
                stated, schema, lambda part: self._property(part, key, depth + 1)
            )
        return self._of_property[known]

    def _kinds(self, schema: Any, depth: int = 0) -> JsonTypes:
        schema = self._resolve(schema)
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return ANY
        if id(schema) not in self._of_schema:
            self._of_schema[id(schema)] = ANY  # while it refers to itself
            kinds = self._combined(_stated(schema), schema, lambda part: self._kinds(part, depth + 1))
            if schema.get("nullable") is True:
                kinds = _union([kinds, _OF_TYPE["null"]])
            self._of_schema[id(schema)] = kinds
        return self._of_schema[id(schema)]

    def _combined(
        self, kinds: JsonTypes, schema: Mapping[str, Any], of_part: Callable[[Any], JsonTypes]
    ) -> JsonTypes:
        """`kinds`, narrowed by what the parts of `schema` say."""
        for name in _COMBINATIONS & schema.keys():
            parts = schema[name] if isinstance(schema[name], list) else []
            if name == "allOf":
                for part in parts:
                    kinds = _intersection(kinds, of_part(part))
            elif parts:
                kinds = _intersection(kinds, _union([of_part(part) for part in parts]))
        return kinds

    def _resolve(self, schema: Any) -> Any:
        """Follow local references: `#/$defs/City`."""
        for _ in range(_MAX_DEPTH):
            reference = schema.get("$ref") if isinstance(schema, dict) else None
            if not isinstance(reference, str) or not reference.startswith("#"):
                return schema
            schema = self._root
            for key in filter(None, reference[1:].split("/")):
                name = key.replace("~1", "/").replace("~0", "~")
                schema = schema.get(name) if isinstance(schema, dict) else None
        return None


def _stated(schema: Mapping[str, Any]) -> JsonTypes:
    """What a schema says itself."""
    types = schema.get("type")
    if isinstance(types, list):
        kinds = _union([_OF_TYPE[name] for name in types if isinstance(name, str) and name in _OF_TYPE])
    else:
        kinds = _OF_TYPE.get(types, ANY) if isinstance(types, str) else ANY
    if isinstance(schema.get("enum"), list):
        kinds = _intersection(kinds, _of_values(schema["enum"]))
    if "const" in schema:
        kinds = _intersection(kinds, _of_values([schema["const"]]))
    return kinds


def _intersection(one: JsonTypes, other: JsonTypes) -> JsonTypes:
    """What is allowed by both. A schema that allows nothing says nothing."""
    return JsonTypes(one.names & other.names or ANY.names, one.strings | other.strings)


def _union(all_kinds: list[JsonTypes]) -> JsonTypes:
    return JsonTypes(
        frozenset().union(*(kinds.names for kinds in all_kinds)) or ANY.names,
        frozenset().union(*(kinds.strings for kinds in all_kinds)),
    )


def _of_values(values: list[Any]) -> JsonTypes:
    literals = {json.dumps(value) for value in values if isinstance(value, int | float | None)}
    strings = frozenset(value for value in values if isinstance(value, str))
    return JsonTypes(frozenset(map(_kind_of_value, values)), strings - literals)


def _kind_of_value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"
