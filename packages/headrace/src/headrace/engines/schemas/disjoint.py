"""Whether two JSON Schemas can both hold for one value: `oneOf` whose branches are disjoint is `anyOf`."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import msgspec

from headrace.engines.schemas.malformed import TYPES, is_usable
from headrace.wire.schema_references import SchemaReferences

__all__ = ["Disjointness", "types_of"]

_MAX_COMPARISONS: Final = 10_000  # in one document: nested alternatives multiply
_MAX_DEPTH: Final = 8  # of references and nested properties
_ABOUT_NAMES: Final = frozenset(
    {"$ref", "additionalProperties", "allOf", "anyOf", "dependencies", "dependentRequired"}
    | {"dependentSchemas", "if", "oneOf", "patternProperties", "unevaluatedProperties"}
)
_BESIDE: Final = frozenset({"$ref", "description", "title", "type"})


class Disjointness:
    """Compares the schemas of one document.

    Args:
        references: of the document.
    """

    def __init__(self, references: SchemaReferences) -> None:
        self._references = references
        self._comparisons = 0

    def holds(self, branches: Sequence[Any], *, closed: bool = False) -> bool:
        """Whether no value is valid against two of the branches; False if that cannot be shown.

        Args:
            branches: the schemas.
            closed: whether an object has only the properties that its schema names.
        """
        return all(
            self._differ(one, other) or (closed and self._need_different_names(one, other))
            for one, other in combinations(branches, 2)
        )

    def _need_different_names(self, one: Any, other: Any) -> bool:
        """Whether each of two closed objects needs a property that the other one does not have."""
        if any(
            isinstance(each, Mapping) and "$ref" in each and each.keys() - _BESIDE for each in (one, other)
        ):
            return False
        one, other = self._references.follow(one), self._references.follow(other)
        if not all(is_usable(each) and _is_closed(each) for each in (one, other)):
            return False
        needed, others = (set(each.get("required") or ()) for each in (one, other))
        return bool(
            needed - others - other["properties"].keys() and others - needed - one["properties"].keys()
        )

    def _differ(self, one: Any, other: Any, depth: int = 0) -> bool:
        self._comparisons += 1
        if self._comparisons > _MAX_COMPARISONS or depth > _MAX_DEPTH:
            return False
        one, other = self._references.follow(one), self._references.follow(other)
        if one is False or other is False:
            return True
        if not (is_usable(one) and is_usable(other)):
            return False
        for whole, part in ((one, other), (other, one)):
            for options in (whole.get("anyOf"), whole.get("oneOf")):
                if isinstance(options, list) and all(self._differ(each, part, depth + 1) for each in options):
                    return True
        values, others = _values(one), _values(other)
        if values is not None and others is not None:
            return not values & others
        common = types_of(one) & types_of(other)
        return not common or (common == {"object"} and self._have_different_properties(one, other, depth))

    def _have_different_properties(
        self, one: Mapping[str, Any], other: Mapping[str, Any], depth: int
    ) -> bool:
        """Whether a property that one of two objects needs is different, or forbidden, in the other."""
        names = [*(one.get("required") or ()), *(other.get("required") or ())]
        return any(self._differ(_property(one, name), _property(other, name), depth + 1) for name in names)


def _property(schema: Mapping[str, Any], name: str) -> Any:
    """Return the schema of a property."""
    properties, extra = schema.get("properties"), schema.get("additionalProperties")
    if isinstance(properties, Mapping) and name in properties:
        return properties[name]
    return True if extra is None or "patternProperties" in schema else extra


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether a schema is for objects, and nothing but `properties` and `required` is about names."""
    return (
        types_of(schema) == {"object"}
        and isinstance(schema.get("properties"), Mapping)
        and not _ABOUT_NAMES & schema.keys()
    )


def _values(schema: Mapping[str, Any]) -> set[bytes] | None:
    """Return the values of an enumeration as JSON; None if there is none."""
    if "const" in schema:
        return {msgspec.json.encode(schema["const"], order="sorted")}
    if not isinstance(schema.get("enum"), list):
        return None
    return {msgspec.json.encode(value, order="sorted") for value in schema["enum"]}


def types_of(schema: Any) -> frozenset[str]:
    """Return the types that a value may have; `integer` counts as `number`."""
    if not isinstance(schema, Mapping):
        return frozenset(TYPES)
    stated = schema.get("type") or TYPES
    names = [stated] if isinstance(stated, str) else stated
    if "const" in schema:
        names = [_type_of(schema["const"])]
    elif isinstance(schema.get("enum"), list):
        names = map(_type_of, schema["enum"])
    return frozenset("number" if name == "integer" else name for name in names)


def _type_of(value: Any) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")
