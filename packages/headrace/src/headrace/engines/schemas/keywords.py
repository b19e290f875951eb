"""The keywords of a JSON Schema → those that llguidance enforces exactly; the others are reported.

llguidance's documentation: https://github.com/guidance-ai/llguidance/blob/v1.0.1/docs/json_schema.md
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NamedTuple, Protocol, TypeAlias

from headrace.engines.schemas.equivalents import with_other_keywords
from headrace.engines.schemas.negation import Negation, needed_names, of_types
from headrace.engines.schemas.numbers import is_exact, number_bounds
from headrace.engines.schemas.patterns import ENCODINGS, FORMATS, is_regular, matches, regular
from headrace.wire.schema_references import SchemaReferences

__all__ = ["Document", "KeywordRewriter", "Position", "Rewritten"]

Rewritten: TypeAlias = dict[str, Any] | bool
"""A schema as llguidance holds it."""

_MAX_ITEMS: Final = 2000  # llguidance repeats the items, which takes 10 ms for every 1,000
_MAX_COUNTED: Final = 64  # characters; llguidance cannot combine a pattern with a greater length
_MAX_BRANCHES: Final = 16  # of a keyword that is rewritten as alternatives
_MAX_DEPENDENCIES: Final = 4  # in one schema: their alternatives multiply
_APPLICATORS: Final = frozenset({"$ref", "allOf", "anyOf", "contains", "dependentSchemas", "if", "oneOf"})
_COMBINING: Final = frozenset({"$ref", "allOf", "anyOf", "dependencies", "dependentSchemas", "if", "oneOf"})
_IN_PLACE: Final = frozenset({"$ref", "allOf", "anyOf"})
_ASSERTIONS: Final = frozenset({"additionalProperties", "patternProperties", "properties", "required"})
_OTHER_NAMES: Final = frozenset({"additionalProperties", "patternProperties", "unevaluatedProperties"})


class Position(NamedTuple):
    """Where a schema stands.

    Attributes:
        place: in the request, for messages.
        depth: of its nesting.
        is_combined: whether further schemas must hold for the same value.
    """

    place: str
    depth: int = 0
    is_combined: bool = False


class Document(Protocol):
    """The document of a schema; see `SchemaRewriter`."""

    unenforced: list[str]
    allowed_text: str
    references: SchemaReferences
    negation: Negation

    def may_branch(self, count: int) -> bool:
        """Whether alternatives can be added: llguidance multiplies those that hold for the same value."""
        ...

    def part(self, schema: Any, position: Position) -> Rewritten:
        """Rewrite a subschema."""
        ...

    def member(self, schema: Any, position: Position) -> Rewritten:
        """Rewrite the schema of a property or an item."""
        ...

    def alternative(self, schema: Any, position: Position, places: Mapping[int, str]) -> Rewritten:
        """Rewrite one of several schemas that share parts, whose places are given by their ids."""
        ...

    def reference(self, reference: str, position: Position) -> Rewritten:
        """Return a reference to the rewritten target of `$ref`."""
        ...

    def are_disjoint(self, branches: list[Any], *, closed: bool) -> bool:
        """Whether no value is valid against two of the branches, whose objects may be closed."""
        ...


class KeywordRewriter:
    """Rewrites the keywords of one schema in their order, which decides the order of properties.

    Args:
        document: of the schema.
        given: the keywords that have a value.
        position: of the schema.
    """

    def __init__(self, document: Document, given: dict[str, Any], position: Position) -> None:
        self._document = document
        self._given = with_other_keywords(given, document.references)
        self._place = position.place
        self._depth = position.depth
        # Whether one applicator holds the only assertions about the value.
        combining = [key for key in self._given if key in _COMBINING]
        is_single = len(combining) == 1 and len(self._given.get("allOf", "-")) == 1
        self._is_combined = position.is_combined or bool(combining)
        self._combines = position.is_combined or not is_single or bool(_ASSERTIONS & self._given.keys())
        self._is_closed = (
            not self._is_combined and "properties" in self._given and not _OTHER_NAMES & self._given.keys()
        )
        self._result: dict[str, Any] = {}
        self._also: list[Any] = []  # further schemas that must hold
        self._is_never = False

    def rewrite(self) -> Rewritten:
        """Return the rewritten schema."""
        for key, value in self._given.items():
            if rewrite := self._rewriters.get(key):
                rewrite(self, key, value)
        if self._is_never:
            return False
        is_enumerated = {"const", "enum"} & self._result.keys()
        self._result |= number_bounds(self._given, () if is_enumerated else _names(self._result.get("type")))
        self._restrict_text()
        self._close()
        self._fill()
        result = self._in_order()
        if self._given.get("nullable") is True:  # OpenAPI's
            return {"anyOf": [result, {"type": "null"}]}
        return result

    def _in_order(self) -> dict[str, Any]:
        """Combine the rewritten keywords: a list has the properties in its order, neighbours do not."""
        result = self._result
        if self._also:
            result["allOf"] = [*result.get("allOf", ()), *self._also]
        if "properties" not in result or not _IN_PLACE & result.keys():
            return result
        own = {key: value for key, value in result.items() if key not in _IN_PLACE}
        parts: list[Any] = []
        for key, value in result.items():
            if key not in _IN_PLACE:
                parts += () if own in parts else (own,)
            elif key == "allOf":
                parts += value
            else:
                parts.append({key: value})
        return {"allOf": parts}

    def _leave_out(self, key: str, _: Any = None) -> None:
        self._document.unenforced.append(f"{self._place}.{key}")

    def _copy(self, key: str, value: Any) -> None:
        self._result[key] = value

    def _count(self, key: str, value: float) -> None:
        self._result[key] = int(value)

    def _child(self, schema: Any, where: str) -> Rewritten:
        return self._document.part(schema, Position(self._place + where, self._depth + 1, self._combines))

    def _member(self, schema: Any, where: str) -> Rewritten:
        position = Position(self._place + where, self._depth + 1, self._is_combined)
        return self._document.member(schema, position)

    def _subschema(self, key: str, value: Any) -> None:
        self._result[key] = self._member(value, f".{key}")

    def _additional(self, key: str, value: Any) -> None:
        """Rewrite the schema of properties that are not named, and restrict their names."""
        names = self._document.allowed_text
        if names and value is not False and "patternProperties" not in self._given:
            self._result |= {"patternProperties": {names: self._member(value, f".{key}")}, key: False}
        else:
            self._subschema(key, value)

    def _list(self, key: str, value: list[Any]) -> None:
        self._result[key] = [self._child(part, f".{key}[{at}]") for at, part in enumerate(value)]

    def _map(self, key: str, value: Mapping[str, Any]) -> None:
        self._result[key] = {name: self._member(part, f".{key}.{name}") for name, part in value.items()}

    def _properties(self, key: str, value: Mapping[str, Any]) -> None:
        """Rewrite named properties: of them, llguidance ignores the patterns that their names match."""
        patterns = self._given.get("patternProperties", {})
        result = self._result[key] = {}
        for name, part in value.items():
            found = {pattern: matches(pattern, name) for pattern in patterns}
            if None in found.values():
                self._leave_out("patternProperties")
            others = [pattern for pattern, is_match in found.items() if is_match]
            position = Position(
                f"{self._place}.{key}.{name}", self._depth + 1, self._is_combined or bool(others)
            )
            result[name] = self._document.member(part, position)
            if others:
                also = (self._document.part(patterns[pattern], position) for pattern in others)
                result[name] = {"allOf": [result[name], *also]}

    def _type(self, key: str, value: str | list[str]) -> None:
        names = dict.fromkeys(name.lower() for name in ([value] if isinstance(value, str) else value))
        if "number" in names:
            names.pop("integer", None)
        self._result[key] = next(iter(names)) if len(names) == 1 else list(names)

    def _close(self) -> None:
        """Allow only the properties that an object's schema names, unless it has a keyword for others."""
        if self._is_closed:
            for name in self._given.get("required", ()):
                if name not in self._result["properties"]:
                    self._result["properties"][name] = self._member(True, f".properties.{name}")
            self._result["additionalProperties"] = False

    def _fill(self) -> None:
        """Write what an object or a list may contain: llguidance's own has any numbers and markup."""
        types = _names(self._result.get("type"))
        if self._is_combined or {"const", "enum"} & self._result.keys():
            return
        if "object" in types and not {"properties", *_OTHER_NAMES} & self._result.keys():
            self._additional("additionalProperties", value=True)
        if "array" in types and not {"items", "prefixItems"} & self._result.keys():
            self._subschema("items", value=True)

    def _restrict_text(self) -> None:
        result, pattern = self._result, self._document.allowed_text
        if (
            pattern
            and "string" in _names(result.get("type"))
            and not {"const", "enum"} & result.keys()
            and self._given.get("format") not in FORMATS
            and max(result.get("minLength", 0), result.get("maxLength", 0)) <= _MAX_COUNTED
        ):
            self._add_pattern(pattern)

    def _add_pattern(self, pattern: str) -> None:
        if "pattern" in self._result and pattern not in ("", self._result["pattern"]):
            self._also.append({"pattern": pattern})
        elif pattern:
            self._result["pattern"] = pattern

    def _enum(self, key: str, value: list[Any]) -> None:
        if not all(map(is_exact, value)):
            self._leave_out(key)
        elif value:
            self._result[key] = value
        else:
            self._is_never = True

    def _const(self, key: str, value: Any) -> None:
        self._enum(key, [value])
        if key in self._result:
            self._result[key] = value

    def _one_of(self, key: str, value: list[Any]) -> None:
        common = {"type": self._given["type"]} if "type" in self._given else {}
        branches = [{**common, **part} if isinstance(part, dict) else part for part in value]
        places = {f".{key}[{at}]": part for at, part in enumerate(value)}
        is_disjoint = self._document.are_disjoint(branches, closed=not self._combines)
        if not is_disjoint and self._hold_one(key, self._document.negation.exclusive(value), places):
            return
        parts = [self._child(part, place) for place, part in places.items()]
        if "anyOf" in self._given:
            self._also.append({"anyOf": parts})
        else:
            self._result["anyOf"] = parts

    def _hold_one(self, key: str, alternatives: list[Any] | None, places: Mapping[str, Any]) -> bool:
        """Require one of further schemas; leave the keyword out if there are none, or too many."""
        alternatives = alternatives and of_types(alternatives, _names(self._given.get("type")))
        if alternatives is None or not self._document.may_branch(len(alternatives)):
            self._leave_out(key)
            return False
        position = Position(f"{self._place}.{key}", self._depth + 1, is_combined=True)
        where = {id(part): self._place + place for place, part in places.items()}
        parts = [self._document.alternative(each, position, where) for each in alternatives]
        self._also.append({"anyOf": parts})
        self._is_never |= not alternatives
        return True

    def _reference(self, key: str, value: str) -> None:
        target = self._document.reference(value, Position(self._place, 0, self._combines))
        if isinstance(target, dict):
            self._result[key] = target[key]
        else:
            self._is_never |= not target

    def _items(self, key: str, value: Any) -> None:
        if isinstance(value, list):  # a tuple, before 2020-12
            self._result["prefixItems"] = [
                self._child(part, f".{key}[{at}]") for at, part in enumerate(value)
            ]
            self._result[key] = self._child(self._given.get("additionalItems", True), ".additionalItems")
        else:
            self._subschema(key, value)

    def _max_items(self, key: str, value: float) -> None:
        if value > _MAX_ITEMS:
            self._leave_out(key)
        else:
            self._count(key, value)

    def _pattern(self, key: str, value: str) -> None:
        pattern = regular(value, self._given.get("format"))
        if is_regular(pattern):
            self._add_pattern(pattern)
        else:
            self._leave_out(key)

    def _format(self, key: str, value: str) -> None:
        if value in FORMATS:
            self._add_pattern(FORMATS[value])
        elif "string" in _names(self._given.get("type") or "string") and "pattern" not in self._given:
            self._leave_out(key)  # with a pattern, it is zod's name for that

    def _encoding(self, key: str, value: Any) -> None:
        if value in ENCODINGS:
            self._add_pattern(ENCODINGS[value])
        else:
            self._leave_out(key)

    def _media_type(self, key: str, value: Any) -> None:
        if value == "application/json":
            self._leave_out(key)

    def _properties_count(self, key: str, value: float) -> None:
        """Llguidance counts only where every named property is required; "at least one" is alternatives."""
        optional = self._given.get("properties", {}).keys() - set(self._given.get("required", ()))
        if not optional:
            self._count(key, value)
        elif key == "maxProperties" or value > 1 or len(optional) > _MAX_BRANCHES:
            self._leave_out(key)
        elif value == 1 and not self._given.get("required"):
            none: dict[str, Any] = {"properties": dict.fromkeys(sorted(optional), False), "minProperties": 1}
            self._also.append({"anyOf": [*({"required": [name]} for name in sorted(optional)), none]})

    def _not(self, key: str, value: Any) -> None:
        alternatives = self._document.negation.of(value)
        unnamed = needed_names(alternatives) - self._given.get("properties", {}).keys()
        self._hold_one(key, None if self._is_closed and unnamed else alternatives, {})

    def _if(self, key: str, value: Any) -> None:
        if {"then", "else"} & self._given.keys():
            places = {".if": value, **{f".{name}": self._given.get(name, True) for name in ("then", "else")}}
            self._hold_one(key, self._document.negation.conditional(*places.values()), places)

    def _contains(self, key: str, _: Any) -> None:
        if self._given.get("minContains") != 0 or "maxContains" in self._given:
            self._leave_out(key)

    def _dependencies(self, key: str, value: Mapping[str, Any]) -> None:
        """A property that needs another, or a schema: it is absent, or the other holds."""
        if len(value) > _MAX_DEPENDENCIES:
            self._leave_out(key)
            return
        for name, needed in value.items():
            names = isinstance(needed, list)
            other = {"required": needed} if names else self._child(needed, f".{key}.{name}")
            self._also.append({"anyOf": [{"properties": {name: False}}, other]})

    def _unevaluated(self, key: str, value: Any) -> None:
        instead = "additionalProperties" if key == "unevaluatedProperties" else "items"
        if value is True or value == {} or instead in self._given:
            return
        if _APPLICATORS & self._given.keys():
            self._leave_out(key)
        else:
            self._result[instead] = self._child(value, f".{key}")

    _rewriters: ClassVar[Mapping[str, Callable[["KeywordRewriter", str, Any], None]]] = {
        "$dynamicRef": _leave_out,
        "$recursiveRef": _leave_out,
        "$ref": _reference,
        "additionalProperties": _additional,
        "allOf": _list,
        "anyOf": _list,
        "const": _const,
        "contains": _contains,
        "contentEncoding": _encoding,
        "contentMediaType": _media_type,
        "dependencies": _dependencies,
        "dependentRequired": _dependencies,
        "dependentSchemas": _dependencies,
        "enum": _enum,
        "format": _format,
        "if": _if,
        "items": _items,
        "maxItems": _max_items,
        "maxLength": _count,
        "maxProperties": _properties_count,
        "minItems": _count,
        "minLength": _count,
        "minProperties": _properties_count,
        "multipleOf": _copy,
        "not": _not,
        "oneOf": _one_of,
        "pattern": _pattern,
        "patternProperties": _map,
        "prefixItems": _list,
        "properties": _properties,
        "propertyNames": _leave_out,
        "required": _copy,
        "type": _type,
        "unevaluatedItems": _unevaluated,
        "unevaluatedProperties": _unevaluated,
        "uniqueItems": _leave_out,
    }
    """By keyword; any other is an annotation."""


def _names(stated: Any) -> list[str]:
    return [stated] if isinstance(stated, str) else stated or []
