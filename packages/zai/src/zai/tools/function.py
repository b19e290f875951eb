"""A Python function → a tool that a model can call: its JSON Schema, and the decoding of its arguments.

The schema is derived from the signature, the descriptions from the docstring (Google's `Args:`, or
`:param name:`). The signature may use any type that msgspec supports: numbers, strings, lists, dicts,
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
    """A function as a tool.

    Args:
        function: a plain or async function without `*args` and `**kwargs`.

    Raises:
        ZaiError: this is not a function, or a parameter's type has no JSON Schema.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not hasattr(function, "__name__"):
            msg = f"{function!r} cannot be a tool: it has no name; pass a function that calls it"
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
        """The tool in a request's `tools`."""

    def decode(self, arguments: str) -> dict[str, Any]:
        """Decode the keyword arguments of a call.

        Raises:
            ValueError: the text is not JSON, or does not match the signature.
        """
        values = msgspec.json.decode(arguments.strip() or "{}", type=self._arguments, strict=False)
        named = ((name, getattr(values, name)) for name in values.__struct_fields__)
        return {name: value for name, value in named if value is not msgspec.UNSET}


def encode_result(result: Any) -> str:
    """Encode a result for the model: text as it is, everything else as JSON."""
    if isinstance(result, str):
        return result.encode("utf-8", "replace").decode()  # a file's name may include surrogates
    if isinstance(result, WireModel):
        result = result.to_dict()
    return msgspec.json.encode(result, enc_hook=str).decode()


def _arguments_type(function: Callable[..., Any], descriptions: Mapping[str, str]) -> type[msgspec.Struct]:
    hints = typing.get_type_hints(function, include_extras=True)
    fields: list[Any] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            msg = f"{function.__name__} cannot be a tool: remove its parameter {parameter}"
            raise ZaiError(msg)
        hint = hints.get(name, Any)
        try:
            msgspec.json.schema(hint)
        except TypeError as error:
            why = str(error).splitlines()[-1]
            msg = f"{function.__name__} cannot be a tool: its parameter {name} has no JSON Schema ({why})"
            raise ZaiError(msg) from error
        if description := descriptions.get(name):
            hint = Annotated[hint, msgspec.Meta(description=description)]
        default = parameter.default
        if default is parameter.empty:
            fields.append((name, hint))
        elif default is None or isinstance(default, str | int | float):
            fields.append((name, hint, default))
        else:  # not representable in JSON: left to the function
            fields.append((name, hint | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct(function.__name__, fields, kw_only=True, forbid_unknown_fields=True)


def _schema(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema, with the object itself at the top, as the API requires."""
    document = msgspec.json.schema(arguments)
    definitions = document.get("$defs", {})
    schema: dict[str, Any] = definitions.pop(document["$ref"].rpartition("/")[2])
    schema.pop("title", None)
    if definitions:
        schema["$defs"] = definitions
    return schema


def _parse_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return the description, and those of the parameters."""
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
