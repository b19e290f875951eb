"""A JSON Schema → the rules of a grammar in llama.cpp's notation (GBNF).

What is generated is valid against the schema. What a grammar cannot say (`pattern`, `minimum`, …) is
named by `unenforceable`, so that a caller can refuse it rather than ignore it.
Properties are written in the schema's order, and none that the schema does not name.
Notation: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["SHARED_RULES", "JsonGrammar", "literal", "unenforceable"]

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
"""What every schema builds on, by name."""

_UNENFORCEABLE: Final = frozenset(
    {
        "contains",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "if",
        "maximum",
        "maxProperties",
        "minimum",
        "minProperties",
        "multipleOf",
        "not",
        "pattern",
        "patternProperties",
        "prefixItems",
        "propertyNames",
        "then",
        "uniqueItems",
    }
)
_TYPES: Final = ("string", "integer", "number", "boolean", "null", "object", "array")


def literal(text: str) -> str:
    """A terminal that matches `text`."""
    for raw, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(raw, escaped)
    return f'"{text}"'


def unenforceable(schema: Any, path: str = "$") -> str:
    """Where the first thing stands that a grammar cannot say, as a path; "" if there is none."""
    return next(_unenforceable(schema, path), "")


def _unenforceable(schema: Any, path: str) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    yield from (f"{path}.{key}" for key in schema if key in _UNENFORCEABLE)
    if isinstance(schema.get("$ref"), str) and not schema["$ref"].startswith("#"):
        yield f"{path}.$ref"
    for key in ("properties", "$defs", "definitions"):
        for name, part in (schema.get(key) or {}).items():
            yield from _unenforceable(part, f"{path}.{key}.{name}")
    for key in ("anyOf", "oneOf", "allOf"):
        for index, part in enumerate(schema.get(key) or ()):
            yield from _unenforceable(part, f"{path}.{key}[{index}]")
    for key in ("items", "additionalProperties"):
        yield from _unenforceable(schema.get(key), f"{path}.{key}")


class JsonGrammar:
    """Collects the rules of one schema.

    Args:
        root: the schema in which `$ref` is looked up.
        prefix: begins the names of its rules.
    """

    def __init__(self, root: Any, prefix: str) -> None:
        self.rules: dict[str, str] = {}
        self._root = root
        self._prefix = prefix
        self._of_reference: dict[str, str] = {}

    def expression(self, schema: Any) -> str:
        """What matches a value of `schema`; adds the rules that it needs."""
        if not isinstance(schema, Mapping):
            return "value"
        if isinstance(reference := schema.get("$ref"), str):
            return self._reference(reference)
        if "const" in schema:
            return literal(_json(schema["const"]))
        if isinstance(schema.get("enum"), list):
            return _either(literal(_json(value)) for value in schema["enum"])
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list):
                return _either(self.expression(part) for part in schema[key])
        if isinstance(schema.get("allOf"), list):
            return self.expression(self._merged(schema))
        types = schema.get("type")
        if isinstance(types, list):
            return _either(self._of_type(schema, kind) for kind in types)
        return self._of_type(schema, types or ("object" if "properties" in schema else ""))

    def _of_type(self, schema: Mapping[str, Any], kind: str) -> str:
        match kind:
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema)
            case "string" if "minLength" in schema or "maxLength" in schema:
                return f'"\\"" character{_times(schema, "Length")} "\\""'
            case _:
                return kind if kind in _TYPES else "value"

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
        return f'"{{" ws {_sequence(members)} "}}"'

    def _array(self, schema: Mapping[str, Any]) -> str:
        item = self._rule(f"{self.expression(schema.get('items'))} ws")
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        if most == 0:
            return '"[" ws "]"'
        further = f"{{{max(least - 1, 0)},{'' if most is None else most - 1}}}"
        items = f'{item} ( "," ws {item} ){further}'
        return f'"[" ws {items if least else f"( {items} )?"} "]"'

    def _reference(self, reference: str) -> str:
        """A rule of its own, so that a schema may refer to itself."""
        if reference not in self._of_reference:
            name = f"{self._prefix}-ref{len(self._of_reference)}"
            self._of_reference[reference] = name
            self.rules[name] = self.expression(self._resolve(reference))
        return self._of_reference[reference]

    def _resolve(self, reference: str) -> Any:
        schema = self._root
        for key in filter(None, reference.removeprefix("#").split("/")):
            name = key.replace("~1", "/").replace("~0", "~")
            schema = schema.get(name) if isinstance(schema, Mapping) else None
        return schema

    def _merged(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """`allOf` as one schema: later keys win, properties and required names add up."""
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            whole = self._resolve(part["$ref"]) if "$ref" in part else part
            for key, value in whole.items():
                if key == "properties":
                    merged[key] = {**merged.get(key, {}), **value}
                elif key == "required":
                    merged[key] = [*merged.get(key, []), *value]
                else:
                    merged[key] = value
        return merged

    def _rule(self, expression: str) -> str:
        name = f"{self._prefix}-{len(self.rules)}"
        self.rules[name] = expression
        return name


def _sequence(members: list[tuple[str, bool]]) -> str:
    """Members in their order, the optional ones left out or not, with commas between those that are there."""
    first = next((at for at, (_, required) in enumerate(members) if required), None)
    if first is None:
        names = [name for name, _ in members]
        starts = (
            " ".join([name, *(f'( "," ws {later} )?' for later in names[at + 1 :])])
            for at, name in enumerate(names)
        )
        return f"{_either(starts)}?"
    before = [f'( {name} "," ws )?' for name, _ in members[:first]]
    after = [
        f'"," ws {name}' if required else f'( "," ws {name} )?' for name, required in members[first + 1 :]
    ]
    return " ".join([*before, members[first][0], *after])


def _times(schema: Mapping[str, Any], what: str) -> str:
    return f"{{{schema.get(f'min{what}', 0)},{schema.get(f'max{what}', '')}}}"


def _either(expressions: Iterator[str] | Any) -> str:
    return f"( {' | '.join(expressions)} )"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
