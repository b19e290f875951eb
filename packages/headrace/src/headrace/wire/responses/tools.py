"""Tools of a Responses request → functions, which are all that a model knows, and the way back.

A function keeps its name. A custom tool becomes a function with one text. The functions of a namespace get
the namespace in front of their names. Tools that the server of the model would have to run are left out.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from headrace.errors import RequestError
from headrace.wire.expected import show
from headrace.wire.responses.content import read_text
from headrace.wire.responses.custom_input import INPUT

__all__ = ["ToolName", "Tools", "decode_tool_choice", "decode_tools", "find_tool", "flat_name"]

_MAX_NAME: Final = 128
_MAX_FLAT: Final = 64  # other servers accept no more
_INVALID: Final = re.compile(r"[^a-zA-Z0-9_-]")
_CALLS: Final = {"function": "function_call", "custom": "custom_tool_call"}


class ToolName(NamedTuple):
    """How the client knows a function of the model.

    Args:
        kind: the type of the item that calls it.
        name: its name, within its namespace if it has one.
        namespace: "" if it has none.
    """

    kind: Literal["function_call", "custom_tool_call"]
    name: str
    namespace: str = ""


class Tools(msgspec.Struct):
    """The tools of a request.

    Args:
        functions: for the model, as chat completions have them.
        names: by the name that the model uses.
        sources: their fields, by that name.
        left_out: the fields with the tools that the model does not get, and their types.
    """

    functions: list[dict[str, Any]] = []
    names: dict[str, ToolName] = {}
    sources: dict[str, str] = {}
    left_out: list[str] = []


def find_tool(names: Mapping[str, ToolName], name: str) -> ToolName:
    """Return how the client knows the function of a call; models leave out namespaces, too."""
    if found := names.get(name):
        return found
    same = [known for known in names.values() if known.name == name]
    return same[0] if len(same) == 1 else ToolName("function_call", name)


def flat_name(name: str, namespace: str) -> str:
    """Return the name of a function for the model; in a namespace, 1 to 64 of a-z, A-Z, 0-9, _ and -."""
    if not namespace:
        return name
    joined = namespace + ("" if namespace.endswith("_") else "__") + name
    valid = _INVALID.sub("_", joined)
    if len(valid) <= _MAX_FLAT:
        return valid
    digest = hashlib.blake2b(joined.encode("utf-8", "replace"), digest_size=4).hexdigest()
    return f"{valid[: _MAX_FLAT - 9]}_{digest}"


def decode_tools(tools: Any) -> Tools:
    """Convert the field `tools`.

    Raises:
        RequestError: 1213, a name is missing; 1214, a value has the wrong type, or two tools the same name.
    """
    decoded = Tools()
    for where, tool in _objects("tools", tools):
        if tool.get("type") != "namespace":
            _add(decoded, where, tool, "", "")
            continue
        namespace, description = read_text(tool, where, "name"), tool.get("description")
        for at, function in _objects(f"{where}.tools", tool.get("tools")):
            _add(decoded, at, function, namespace, description)
    return decoded


def _objects(where: str, values: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(values, list | None):
        raise RequestError(f"{where} is {show(values)}; it must be a list")
    for index, value in enumerate(values or ()):
        if not isinstance(value, dict):
            raise RequestError(f"{where}[{index}] is {show(value)}; it must be an object")
        yield f"{where}[{index}]", value


def _add(tools: Tools, where: str, tool: Mapping[str, Any], namespace: str, about: Any) -> None:
    kind = read_text(tool, where, "type")
    if kind not in ("function", "custom"):
        tools.left_out.append(f"{where}.type is {show(kind)}")
        return
    name = read_text(tool, where, "name")
    flat = flat_name(name, namespace)
    if not name or _INVALID.search(flat) or len(flat) > _MAX_NAME:
        raise RequestError(f"{where}.name is {show(name)}; use 1 to 128 of a-z, A-Z, 0-9, _ and -")
    if flat in tools.names:
        raise RequestError(f"{where}.name is {show(name)}, as for an earlier tool; names must be unique")
    tools.sources[flat] = where
    tools.names[flat] = ToolName("custom_tool_call" if kind == "custom" else "function_call", name, namespace)
    description = about if tool.get("description") in (None, "") else tool["description"]
    if not isinstance(description, str | None):
        raise RequestError(f"{where}.description is {show(description)}; it must be a string")
    function = {"name": flat, "description": description or ""}
    extra = _custom(where, tool, function["description"]) if kind == "custom" else _parameters(where, tool)
    tools.functions.append({"type": "function", "function": {**function, **extra}})


def _parameters(where: str, tool: Mapping[str, Any]) -> dict[str, Any]:
    parameters = tool.get("parameters")
    if not isinstance(parameters, dict | None):
        raise RequestError(f"{where}.parameters is {show(parameters)}; it must be a JSON Schema")
    strict = tool.get("strict")
    return {
        "parameters": parameters or {"type": "object", "properties": {}},
        **({"strict": strict} if isinstance(strict, bool) else {}),
    }


def _custom(where: str, tool: Mapping[str, Any], description: str) -> dict[str, Any]:
    """Return a function with one text; the model learns of its grammar by the description."""
    format = tool.get("format")
    if not isinstance(format, dict | None):
        raise RequestError(f"{where}.format is {show(format)}; it must be an object")
    about = "The input of the tool: free text, not JSON."
    if format and isinstance(definition := format.get("definition"), str):
        description = (
            f"{description}\n\nThe input must match this {format.get('syntax')} grammar:\n{definition}"
        )
    return {
        "description": description.strip(),
        "parameters": {
            "type": "object",
            "properties": {INPUT: {"type": "string", "description": about}},
            "required": [INPUT],
        },
    }


def decode_tool_choice(choice: Any, tools: Tools) -> tuple[Any, list[dict[str, Any]]]:
    """Convert the field `tool_choice`.

    Returns:
        It as chat completions have it, and the functions that the model may call.

    Raises:
        RequestError: 1214, it names a tool that the model does not have.
    """
    known: dict[tuple[str, str], str] = {}  # by name and namespace, which a choice may leave out
    for flat, (_, name, namespace) in tools.names.items():
        for key in ((name, namespace), (name, "")):
            known.setdefault(key, flat)
    match choice:
        case None:
            return "auto", tools.functions
        case "required" if not tools.functions:
            msg = 'tool_choice is "required", but tools has no function or custom tool; add one'
            raise RequestError(msg, code="1215")
        case "auto" | "none" | "required":
            return choice, tools.functions
        case {"type": "function" | "custom"}:
            return _named(_chosen("tool_choice", choice, known)), tools.functions
        case {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": list(allowed)}:
            chosen = _objects("tool_choice.tools", allowed)
            names = {_chosen(where, tool, known) for where, tool in chosen}
            return mode, [tool for tool in tools.functions if tool["function"]["name"] in names]
    msg = f'tool_choice is {show(choice)}; it must be "auto", "none", "required" or a function or custom tool'
    raise RequestError(msg)


def _chosen(where: str, choice: Mapping[str, Any], known: Mapping[tuple[str, str], str]) -> str:
    name, namespace = read_text(choice, where, "name"), choice.get("namespace") or ""
    if isinstance(namespace, str) and (flat := known.get((name, namespace))):
        return flat
    raise RequestError(f"{where}.name is {show(name)}, which is not in tools")


def _named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}
