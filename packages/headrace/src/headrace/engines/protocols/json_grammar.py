"""JSON Schema → rules of a grammar in llama.cpp's notation (GBNF).

The output is valid against the schema, except for keywords that a grammar cannot express (`pattern`,
`minimum`, …): `json_schema.py` finds those, and invalid schemas.
Properties are in the schema's order; the output has no others.
Notation: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from headrace.engines.protocols.json_schema import TYPES, resolve

__all__ = ["SHARED_RULES", "JsonGrammar", "literal"]

SHARED_RULES: Final[Mapping[str, str]] = {
    "ws": r'| " " | "\n"{1,2} [ \t]{0,20}',
    "character": r'[^"\\\x7F\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F]{4} )',
    "string": r'"\"" character* "\""',
    "integer": '"-"? ( "0" | [1-9] [0-9]{0,15} )',
    "number": 'integer ( "." [0-9]{1,16} )? ( [eE] [-+]? [0-9]{1,3} )?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "object": '"{" ws ( member ( "," ws member )* )? "}"',
    "member": 'string ":" ws value ws',
    "array": '"[" ws ( value ws ( "," ws value ws )* )? "]"',
    "value": "object | array | string | number | boolean | null",
}
"""The rules that all schemas share, by name."""

_RESERVED: Final = re.compile(r'[\\"\x00-\x1f]')
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def literal(text: str) -> str:
    """Return a terminal that matches `text`."""
    return f'"{_RESERVED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0]) or f"\\x{ord(match[0]):02x}"


class JsonGrammar:
    """The rules of one schema.

    Args:
        root: the schema for `$ref`.
        prefix: of the rules' names.
    """

    def __init__(self, root: Any, prefix: str) -> None:
        self.rules: dict[str, str] = {}
        self._root = root
        self._prefix = prefix
        self._of_reference: dict[str, str] = {}

    def expression(self, schema: Any) -> str:
        """Return an expression that matches a value of `schema`; add the rules it needs."""
        if not isinstance(schema, Mapping):
            return "value"
        if isinstance(reference := schema.get("$ref"), str):
            return self._reference(reference)
        if "const" in schema:
            return literal(_json(schema["const"]))
        if isinstance(schema.get("enum"), list):
            return _union(literal(_json(value)) for value in schema["enum"])
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list):
                return _union(self.expression(part) for part in schema[key])
        if isinstance(schema.get("allOf"), list):
            return self.expression(self._merged(schema))
        types = schema.get("type")
        if isinstance(types, list):
            return _union(self._of_type(schema, kind) for kind in types)
        return self._of_type(schema, types or ("object" if "properties" in schema else ""))

    def _of_type(self, schema: Mapping[str, Any], kind: str) -> str:
        match kind:
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema)
            case "string":
                least, most = schema.get("minLength") or 0, schema.get("maxLength")
                is_free = not least and most is None
                return kind if is_free else f'"\\"" character{_times(least, most)} "\\""'
            case _:
                return kind if kind in TYPES else "value"

    def _object(self, schema: Mapping[str, Any]) -> str:
        properties = schema.get("properties") or {}
        if not properties:
            extra = schema.get("additionalProperties")
            if not isinstance(extra, Mapping):
                return "object"
            member = self._rule(f'string ":" ws {self.expression(extra)} ws')
            return f'"{{" ws ( {member} ( "," ws {member} )* )? "}}"'
        required = set(schema.get("required") or ())
        members = [
            (self._rule(f'{literal(_json(name))} ":" ws {self.expression(part)} ws'), name in required)
            for name, part in properties.items()
        ]
        return f'"{{" ws {self._sequence(members)} "}}"'

    def _sequence(self, members: list[tuple[str, bool]]) -> str:
        """Build a sequence of members in order, the optional ones present or not, separated by commas."""
        first = next((at for at, (_, required) in enumerate(members) if required), None)
        if first is None:
            return self._optional([name for name, _ in members])
        before = [f'( {name} "," ws )?' for name, _ in members[:first]]
        after = [
            f'"," ws {name}' if required else f'( "," ws {name} )?' for name, required in members[first + 1 :]
        ]
        return " ".join([*before, members[first][0], *after])

    def _optional(self, names: list[str]) -> str:
        """Build any subset, in order. The rest is a rule of its own, so that the size is not quadratic."""
        starts: list[str] = []
        rest = ""
        for name in reversed(names):
            starts.append(f"{name} {rest}")
            rest = self._rule(f'( "," ws {name} )? {rest}')
        return f"{_union(reversed(starts))}?"

    def _array(self, schema: Mapping[str, Any]) -> str:
        item = self._rule(f"{self.expression(schema.get('items'))} ws")
        least, most = schema.get("minItems") or 0, schema.get("maxItems")
        if most == 0:
            return '"[" ws "]"'
        further = _times(max(least - 1, 0), None if most is None else most - 1)
        items = f'{item} ( "," ws {item} ){further}'
        return f'"[" ws {items if least else f"( {items} )?"} "]"'

    def _reference(self, reference: str) -> str:
        """Return a rule of its own, so that a schema may be recursive."""
        if reference not in self._of_reference:
            name = f"{self._prefix}-ref{len(self._of_reference)}"
            self._of_reference[reference] = name
            self.rules[name] = self.expression(resolve(reference, self._root))
        return self._of_reference[reference]

    def _merged(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Merge `allOf` into one schema: later keys win; properties and required names are united."""
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            is_reference = isinstance(part, Mapping) and part.get("$ref")
            target = resolve(part["$ref"], self._root) if is_reference else part
            for key, value in target.items() if isinstance(target, Mapping) else ():
                if key == "properties":
                    merged[key] = {**(merged.get(key) or {}), **(value or {})}
                elif key == "required":
                    merged[key] = [*(merged.get(key) or ()), *(value or ())]
                else:
                    merged[key] = value
        return merged

    def _rule(self, expression: str) -> str:
        name = f"{self._prefix}-{len(self.rules)}"
        self.rules[name] = expression
        return name


def _times(least: int, most: int | None) -> str:
    return f"{{{least},{'' if most is None else most}}}"


def _union(expressions: Iterator[str] | Any) -> str:
    return f"( {' | '.join(expressions)} )"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
