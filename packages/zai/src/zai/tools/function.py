"""A Python function → a tool that a model can call: its schema, and the way from JSON text to a call.

The schema comes from the signature, the descriptions from the docstring (`Args:` as Google writes them, or
`:param name:`). Any type that msgspec knows may stand in the signature: numbers, strings, lists, dicts,
`Literal`, `Enum`, dataclasses, TypedDicts, structs.
"""

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec

from headrace.wire.model import WireModel
from zai.errors import ZaiError

__all__ = ["ToolFunction", "encode_result"]

_PARAM: Final = re.compile(r"^\s*:param\s+(?:\S+\s+)?(\w+)\s*:\s*(.*)$")
_ENTRY: Final = re.compile(r"^\s*\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_SECTION: Final = re.compile(r"^\s*(\w+):\s*$")


class ToolFunction:
    """A tool that is a function.

    Args:
        function: plain or async; every parameter needs a name, not `*args`.

    Raises:
        ZaiError: it is no function, or JSON cannot say one of its parameters.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not hasattr(function, "__name__"):
            msg = f"{function!r} cannot be a tool: it has no name; write a function that calls it"
            raise ZaiError(msg)
        self.function = function
        self.name: str = function.__name__
        self.is_async = inspect.iscoroutinefunction(function)
        summary, descriptions = _parse_docstring(inspect.getdoc(function) or "")
        self._arguments = _arguments_type(function, descriptions)
        self.spec: dict[str, Any] = {
            "type": "function",
            "function": {
                "name": self.name,
                "description": summary,
                "parameters": _schema(self._arguments),
            },
        }
        """What stands in a request's `tools`."""

    def decode(self, arguments: str) -> dict[str, Any]:
        """The keyword arguments that a call's JSON text says.

        Raises:
            ValueError: the text is no JSON, or does not fit the signature.
        """
        values = msgspec.json.decode(arguments.strip() or "{}", type=self._arguments, strict=False)
        named = ((name, getattr(values, name)) for name in values.__struct_fields__)
        return {name: value for name, value in named if value is not msgspec.UNSET}


def encode_result(result: Any) -> str:
    """What a tool's message says: text as it is, everything else as JSON."""
    if isinstance(result, str):
        return result.encode("utf-8", "replace").decode()  # a file's name may hold what UTF-8 cannot say
    if isinstance(result, WireModel):
        result = result.to_dict()
    return msgspec.json.encode(result, enc_hook=str).decode()


def _arguments_type(function: Callable[..., Any], descriptions: Mapping[str, str]) -> type[msgspec.Struct]:
    hints = typing.get_type_hints(function, include_extras=True)
    fields: list[Any] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            msg = f"{function.__name__} cannot be a tool: its parameter {parameter} has no name of its own"
            raise ZaiError(msg)
        hint = hints.get(name, Any)
        try:
            msgspec.json.schema(hint)
        except TypeError as error:
            why = str(error).splitlines()[-1]
            msg = f"{function.__name__} cannot be a tool: JSON cannot say its parameter {name} ({why})"
            raise ZaiError(msg) from error
        if description := descriptions.get(name):
            hint = Annotated[hint, msgspec.Meta(description=description)]
        default = parameter.default
        if default is parameter.empty:
            fields.append((name, hint))
        elif default is None or isinstance(default, str | int | float):
            fields.append((name, hint, default))
        else:  # one that JSON cannot say is left to the function
            fields.append((name, hint | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct(function.__name__, fields, kw_only=True, forbid_unknown_fields=True)


def _schema(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    """JSON Schema with the object itself at the top, as the API wants it."""
    whole = msgspec.json.schema(arguments)
    definitions = whole.get("$defs", {})
    schema: dict[str, Any] = definitions.pop(whole["$ref"].rpartition("/")[2])
    schema.pop("title", None)
    if definitions:
        schema["$defs"] = definitions
    return schema


def _parse_docstring(text: str) -> tuple[str, dict[str, str]]:
    """The description, and a description for each parameter."""
    summary: list[str] = []
    found: dict[str, list[str]] = {}
    section = ""
    current: list[str] | None = None
    for line in text.splitlines():
        if sphinx := _PARAM.match(line):
            section, current = "Args", found.setdefault(sphinx[1], [sphinx[2]])
        elif heading := _SECTION.match(line):
            section, current = heading[1], None
        elif line.lstrip().startswith(":"):
            section, current = line, None
        elif section in ("Args", "Arguments", "Parameters"):
            entry = _ENTRY.match(line)
            if entry and _indent(line) <= 4:
                current = found.setdefault(entry[1], [entry[2]])
            elif current is not None:
                current.append(line.strip())
        elif not section:
            summary.append(line)
    return "\n".join(summary).strip(), {name: " ".join(lines).strip() for name, lines in found.items()}


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
