"""Keywords of a JSON Schema → other ones for the same values, which llguidance enforces."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headrace.engines.schemas.malformed import is_usable
from headrace.wire.schema_references import SchemaReferences

__all__ = ["with_other_keywords"]

_MAX_ARRAYS: Final = 100  # of a list without repetition: four values have 65
_MAX_CHARACTERS: Final = 5000  # of these
_ITEMS: Final = ("additionalItems", "items", "maxItems", "minItems", "prefixItems", "uniqueItems")
_ANNOTATIONS: Final = frozenset({"default", "description", "title"})
_OTHER_NAMES: Final = frozenset({"patternProperties", "properties", "unevaluatedProperties"})
_FINITE: Final[Mapping[str, list[Any]]] = {"boolean": [False, True], "null": [None]}


def with_other_keywords(given: dict[str, Any], references: SchemaReferences) -> dict[str, Any]:
    """Return the keywords of a schema, with `propertyNames` and `uniqueItems` as others where possible."""
    given = {key: value for key, value in given.items() if not _is_void(key, value, given)}
    return _with_arrays(_with_named_properties(given, references), references)


def _is_void(key: str, value: Any, given: Mapping[str, Any]) -> bool:
    """Whether a keyword holds for every value, or every name."""
    match key:
        case "properties" | "patternProperties":
            return bool(value == {})
        case "propertyNames":
            return value in (True, {}, {"type": "string"})
        case "uniqueItems":
            return value is False or given.get("maxItems", 2) <= 1
        case _:
            return False


def _with_named_properties(given: dict[str, Any], references: SchemaReferences) -> dict[str, Any]:
    """Write a map whose names are enumerated, or have a pattern or a length, as properties."""
    names = references.follow(given.get("propertyNames"))
    if not is_usable(names) or _OTHER_NAMES & given.keys():
        return given
    extra = given.get("additionalProperties", True)
    constraints = names.keys() - {*_ANNOTATIONS, "type"}
    if constraints in ({"const"}, {"enum"}):
        allowed = names.get("enum") or [names.get("const")]
        named = {"properties": {name: extra for name in allowed if isinstance(name, str)}}
    elif constraints == {"pattern"} and names["pattern"] is not None:
        named = {"patternProperties": {names["pattern"]: extra}}
    elif constraints and constraints <= {"maxLength", "minLength"}:
        least, most = names.get("minLength") or 0, names.get("maxLength")
        counted = f"{int(least)},{'' if most is None else int(most)}"
        named = {"patternProperties": {f"^(?s:.{{{counted}}})$": extra}}
    else:
        return given
    kept = {
        key: value for key, value in given.items() if key not in ("propertyNames", "additionalProperties")
    }
    return {**kept, **named, "additionalProperties": False}


def _with_arrays(given: dict[str, Any], references: SchemaReferences) -> dict[str, Any]:
    """Enumerate the lists without repetition of a few values: a set of enumerated words."""
    if (
        given.get("uniqueItems") is not True
        or given.get("type") != "array"
        or {"const", "enum"} & given.keys()
    ):
        return given
    arrays = _unique_arrays(given, references)
    if arrays is None or len(msgspec.json.encode(arrays)) > _MAX_CHARACTERS:
        return given
    return {**{key: value for key, value in given.items() if key not in _ITEMS}, "enum": arrays}


def _unique_arrays(given: Mapping[str, Any], references: SchemaReferences) -> list[list[Any]] | None:
    first, rest = given.get("prefixItems", []), given.get("items", True)
    if isinstance(rest, list):  # a tuple, before 2020-12
        first, rest = rest, given.get("additionalItems", True)
    least, most = given.get("minItems") or 0, given.get("maxItems")
    found: list[list[Any]] = []
    longest: list[list[Any]] = [[]]
    while longest and len(found) <= _MAX_ARRAYS:
        length = len(longest[0])
        found += longest if length >= least else []
        if length == most:
            break
        values = _values(first[length] if length < len(first) else rest, references)
        if values is None or len(longest) * len(values) > 4 * _MAX_ARRAYS:
            return None
        # 0 and false differ in JSON, but not in Python
        longest = [
            [*array, value]
            for array in longest
            for value in values
            if not any(value == item and type(value) is type(item) for item in array)
        ]
    return found if len(found) <= _MAX_ARRAYS else None


def _values(schema: Any, references: SchemaReferences) -> list[Any] | None:
    """Return all values of a schema; None if there are too many, or other ones than words and integers."""
    if schema is False:
        return []
    schema = references.follow(schema)
    if not is_usable(schema):
        return None
    constraints = schema.keys() - _ANNOTATIONS
    values = None
    if constraints == {"type"} and isinstance(schema["type"], str):
        values = _FINITE.get(schema["type"])
    elif constraints in ({"const"}, {"const", "type"}):
        values = [schema["const"]]
    elif constraints in ({"enum"}, {"enum", "type"}) and schema["enum"] is not None:
        values = schema["enum"]
    if values is None or not all(value is None or isinstance(value, str | int) for value in values):
        return None
    return values if "type" not in constraints or schema["type"] in _FINITE or _is(values, schema) else None


def _is(values: list[Any], schema: Mapping[str, Any]) -> bool:
    kinds = {"string": str, "integer": int, "number": int}
    kind = kinds.get(str(schema["type"]))
    return kind is not None and all(
        isinstance(value, kind) and not isinstance(value, bool) for value in values
    )
