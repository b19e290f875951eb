"""The tools of a Messages request → those of Z.ai's API, plain JSON on both sides."""

import logging
import re
from collections.abc import Collection, Iterable
from typing import Any, Final

from headrace.errors import RequestError
from headrace.wire.expected import show
from headrace.wire.messages.blocks import field, rejected, wrong

__all__ = ["SERVER_TOOL", "translate_choice", "translate_tools"]

_LOGGER: Final = logging.getLogger("headrace.wire")
SERVER_TOOL: Final = re.compile(
    r"(web_search|web_fetch|code_execution|tool_search_tool|advisor)_|mcp_toolset$"
)
"""Types of tools that Anthropic's service runs itself."""


def translate_tools(tools: Any, references: Collection[str]) -> tuple[dict[str, dict[str, Any]], set[str]]:
    """Return function tools by their paths, and the names of tools that Anthropic's service would run.

    The latter are left out.

    A tool with `defer_loading` follows the others, and only if a result refers to it, so that the prompt
    before it stays the same.

    Args:
        tools: as sent; None for none.
        references: names of tools to which results refer, in their order.

    Raises:
        RequestError: 1210, 1213 or 1214.
    """
    if tools is not None and not isinstance(tools, list):
        raise wrong("tools", tools, "a list")
    usual: dict[str, dict[str, Any]] = {}
    deferred: dict[str, tuple[str, dict[str, Any]]] = {}
    skipped = set()
    for index, tool in enumerate(tools or ()):
        where = f"tools.{index}"
        if not isinstance(tool, dict):
            raise wrong(where, tool, "an object with name and input_schema")
        kind = field(tool, where, "type", str, default="custom")
        if SERVER_TOOL.match(kind):
            _LOGGER.info("a tool of type %s is left out: there is no service here that runs it", kind)
            skipped.add(str(tool.get("name", kind)))
            continue
        if kind != "custom":
            reason = f"{show(kind)} is not supported here; describe the tool by an input_schema"
            raise rejected(f"{where}.type", reason)
        translated = _tool(tool, where)
        if field(tool, where, "defer_loading", bool, default=False):
            deferred[tool["name"]] = where, translated
        else:
            usual[where] = translated
    return usual | dict(deferred[name] for name in references if name in deferred), skipped


def _tool(tool: dict[str, Any], where: str) -> dict[str, Any]:
    function = {"name": field(tool, where, "name", str)}
    if description := field(tool, where, "description", str, default=""):
        function["description"] = description
    function["parameters"] = field(tool, where, "input_schema", dict)
    if (strict := field(tool, where, "strict", bool, default=None)) is not None:
        function["strict"] = strict
    return {"type": "function", "function": function}


def translate_choice(
    choice: Any, tools: Iterable[dict[str, Any]], skipped: Collection[str]
) -> dict[str, Any]:
    """Return the fields `tool_choice` and `parallel_tool_calls` for a `tool_choice`.

    Args:
        choice: as sent; None for none.
        tools: the function tools.
        skipped: names of the tools that are left out.

    Raises:
        RequestError: 1214, it is invalid; 1210, it requires a tool that is left out.
    """
    if choice is None:
        return {}
    if not isinstance(choice, dict):
        raise wrong("tool_choice", choice, "an object with a type")
    fields: dict[str, Any] = {}
    if field(choice, "tool_choice", "disable_parallel_tool_use", bool, default=False):
        fields["parallel_tool_calls"] = False
    names = {tool["function"]["name"] for tool in tools}
    match field(choice, "tool_choice", "type", str):
        case "auto":
            pass
        case "none":
            fields["tool_choice"] = "none"
        case "any":
            if not names:
                where = "tool_choice.type"
                raise _not_here(where, skipped) if skipped else wrong(where, "any", "possible without tools")
            fields["tool_choice"] = "required"
        case "tool":
            name = field(choice, "tool_choice", "name", str)
            if name in skipped:
                raise _not_here("tool_choice.name", [name])
            if name not in names:
                raise wrong("tool_choice.name", name, "the name of a tool in tools")
            fields["tool_choice"] = {"type": "function", "function": {"name": name}}
        case kind:
            raise wrong("tool_choice.type", kind, "one of auto, any, tool, none")
    return fields


def _not_here(where: str, names: Collection[str]) -> RequestError:
    reason = "there is no service here that runs this tool; use a tool with an input_schema"
    return rejected(where, f"{', '.join(sorted(names))}: {reason}")
