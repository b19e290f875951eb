"""A JSON Schema as people write it → one that llguidance holds exactly.

The result has only keywords that llguidance enforces, and every subschema that a reference names stands in
its `$defs`. What cannot be enforced is left out and reported with its place. llguidance's documentation:
https://github.com/guidance-ai/llguidance/blob/v1.0.1/docs/json_schema.md
"""

import re
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from headrace.engines.schemas.disjoint import Disjointness
from headrace.engines.schemas.keywords import KeywordRewriter, Position, Rewritten
from headrace.engines.schemas.malformed import check_keywords
from headrace.engines.schemas.negation import Negation
from headrace.engines.schemas.numbers import number_bounds
from headrace.errors import RequestError
from headrace.wire.expected import show
from headrace.wire.schema_references import SchemaReferences

__all__ = ["Rewritten", "SchemaRewriter"]

_MAX_PARTS: Final = 20_000  # subschemas in one document: 0.1 s
_MAX_CHAIN: Final = 100  # subschemas in which one that refers to itself without end is looked for
_MAX_NESTING: Final = 16  # then a subschema moves to `$defs`: llguidance reads JSON of at most 128 levels
_LEGACY: Final = re.compile(r"draft-0[3-7]")  # there, `$ref` overrides its neighbours
_CONTENT: Final = ("contentEncoding", "contentMediaType")
_ANNOTATES: Final = re.compile(r"20(?:19-09|20-12)")  # there, these are annotations
_MAX_BRANCHES: Final = 64  # of the alternatives that are added, multiplied
_ANY: Final = {"$ref": "#/$defs/any"}
_NAMED: Final = re.compile(r"[\w$-]+")
_RANGE: Final = frozenset(
    {"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf", "type"}
)


class SchemaRewriter:
    """Rewrites the subschemas of one document.

    Args:
        root: the document, for references.
        place: its place in the request, for messages.
        allowed_text: a pattern for every string without a format; "" for any text.
    """

    def __init__(self, root: Any, place: str, allowed_text: str = "") -> None:
        self.allowed_text = allowed_text
        self.references = SchemaReferences(root)
        self.unenforced: list[str] = []
        """The places of the keywords that were left out."""
        self._place = place
        self.negation = Negation(self.references)
        version = str(root.get("$schema")) if isinstance(root, Mapping) else ""
        self.asserts_content = not _ANNOTATES.search(version)
        self._disjointness = Disjointness(self.references)
        self._branches = 1
        self._is_legacy = bool(_LEGACY.search(version))
        self._parts = 0
        self._names: dict[
            tuple[int, bool], tuple[str, Any]
        ] = {}  # with the part, so that its id stays its own
        self._ranges: dict[bytes, str] = {}
        self._definitions: dict[str, Any] = {}
        self._waiting: deque[tuple[str, Any, Position]] = deque()
        self._needed: dict[str, None] = {}  # definitions that the current part refers to
        self._needs: dict[str, dict[str, None]] = {}  # the same of each definition

    def rewrite(self, schema: Any, place: str) -> Rewritten:
        """Rewrite a schema of the document into a document of its own.

        Raises:
            RequestError: 1214, it is invalid; 1212, it is too large, or refers to another document.
        """
        self._branches = 1
        needed = self._needed = {}
        result = self.member(schema, Position(place))
        while self._waiting:
            name, part, position = self._waiting.popleft()
            self._needs[name] = self._needed = {}
            self._definitions[name] = self.part(part, position)
        if not isinstance(result, dict) or not needed:
            return result
        waiting = list(needed)
        while waiting:
            others = self._needs.get(waiting.pop(), {}).keys() - needed.keys()
            needed |= dict.fromkeys(others)
            waiting += others
        return {**result, "$defs": {name: self._definitions[name] for name in needed}}

    def any_object(self) -> dict[str, Any]:
        """Return a document for any object."""
        value = self._any_value()
        return {**value, "type": "object", "$defs": {"any": value}}

    def _any_value(self) -> dict[str, Any]:
        """Return the definition of any value: llguidance's own has numbers such as 1e999, and any text."""
        value: dict[str, Any] = {
            "type": ["object", "array", "string", "number", "boolean", "null"],
            **number_bounds({}, ["number"]),
            "items": _ANY,
        }
        if not self.allowed_text:
            return {**value, "additionalProperties": _ANY}
        names = {"patternProperties": {self.allowed_text: _ANY}, "additionalProperties": False}
        return {**value, **names, "pattern": self.allowed_text}

    def part(self, schema: Any, position: Position) -> Rewritten:
        """Rewrite a subschema."""
        if isinstance(schema, bool):
            return schema
        place = position.place
        if not isinstance(schema, Mapping):
            msg = f"{place} is {show(schema)}; it must be a JSON Schema, an object"
            raise RequestError(msg)
        if position.depth > _MAX_NESTING:
            return self._definition(schema, position)
        self._parts += 1
        if self._parts > _MAX_PARTS:
            msg = f"{self._place} has more than {_MAX_PARTS} subschemas; use a smaller schema"
            raise RequestError(msg, code="1212")
        check_keywords(schema, place)
        given = {key: value for key, value in schema.items() if value is not None or key == "const"}
        if self._is_legacy and "$ref" in given:
            given = {"$ref": given["$ref"]}
        if not self.asserts_content:
            given = {key: value for key, value in given.items() if key not in _CONTENT}
        return self._shared(KeywordRewriter(self, given, position).rewrite())

    def _shared(self, rewritten: Rewritten) -> Rewritten:
        """Replace a range of numbers by a reference: llguidance takes 1 ms to compile one, each time."""
        if not isinstance(rewritten, dict) or "type" not in rewritten or not rewritten.keys() <= _RANGE:
            return rewritten
        if len(rewritten) == 1:
            return rewritten
        key = msgspec.json.encode(rewritten)
        name = self._ranges.setdefault(key, f"range{len(self._ranges)}")
        self._definitions[name] = rewritten
        return self._refer(name)

    def _refer(self, name: str) -> dict[str, Any]:
        self._needed[name] = None
        return {"$ref": f"#/$defs/{name}"}

    def _definition(self, schema: Any, position: Position) -> dict[str, Any]:
        """Return a reference to a subschema, which is rewritten later, and once."""
        key = (id(schema), position.is_combined)
        if key not in self._names:
            self._names[key] = f"{len(self._names)}", schema
            self._waiting.append((self._names[key][0], schema, position._replace(depth=0)))
        return self._refer(self._names[key][0])

    def alternative(self, schema: Any, position: Position, places: Mapping[int, str]) -> Rewritten:
        """Rewrite one of several schemas that share parts: each part of an `allOf` once.

        Args:
            schema: to rewrite.
            position: of all.
            places: of parts that stand elsewhere in the document, by their ids.
        """
        if not isinstance(schema, dict) or schema.keys() != {"allOf"}:
            return self.part(schema, position)
        parts = [part for part in schema["allOf"] if part is not True]
        if False in parts:
            return False
        positions = [position._replace(place=places.get(id(part), position.place)) for part in parts]
        return {"allOf": list(map(self._definition, parts, positions))} if parts else True

    def reference(self, reference: str, position: Position) -> Rewritten:
        """Return a reference to the rewritten target of `$ref`."""
        place = position.place
        try:
            target = self.references.resolve(reference)
        except LookupError:
            msg = f"{place}.$ref is {show(reference)}, which does not exist"
            is_own = reference.startswith("#")
            raise RequestError(
                msg if is_own else f"{msg} in the schema", code="1214" if is_own else "1212"
            ) from None
        if isinstance(target, bool):
            return target
        if self._is_endless(target):
            msg = f"{place}.$ref is {show(reference)}, which refers to itself without end"
            raise RequestError(msg, code="1212")
        keys = reference.partition("#")[2].split("/")[1:]
        where = "".join(f".{key}" if _NAMED.fullmatch(key) else f"[{key}]" for key in keys)
        return self._definition(target, position._replace(place=self._place + where))

    def _is_endless(self, target: Any) -> bool:
        """Whether a schema is what it refers to, so that no value can be written."""
        waiting = [target]
        seen: set[int] = set()
        while waiting and len(seen) < _MAX_CHAIN:  # llguidance rejects a longer one
            part = waiting.pop()
            if not isinstance(part, Mapping) or id(part) in seen:
                continue
            seen.add(id(part))
            inner = list(part["allOf"]) if isinstance(part.get("allOf"), list) else []
            if isinstance(part.get("$ref"), str):
                with suppress(LookupError):
                    inner.append(self.references.resolve(part["$ref"]))
            if any(each is target for each in inner):
                return True
            waiting += inner
        return False

    def member(self, schema: Any, position: Position) -> Rewritten:
        """Rewrite a schema that is no part of another one for the same value."""
        rewritten = self.part(schema, position)
        if rewritten is True or rewritten == {}:
            self._definitions.setdefault("any", self._any_value())
            return self._refer("any")
        return rewritten

    def are_disjoint(self, branches: list[Any], *, closed: bool) -> bool:
        """Whether no value is valid against two of the branches, whose objects may be closed."""
        return self._disjointness.holds(branches, closed=closed)

    def may_branch(self, count: int) -> bool:
        """Whether alternatives can be added: llguidance multiplies those that hold for the same value."""
        is_allowed = self._branches * count <= _MAX_BRANCHES
        self._branches *= max(count, 1) if is_allowed else 1
        return is_allowed
