"""GLM output for tests."""

from typing import Any

import pytest

from reading import Parsed, read

both_variants = pytest.mark.parametrize(
    ("name", "line_end"), [("glm-4.6", "\n"), ("glm-4.7", "")], ids=["4.6", "4.7"]
)

TOOLS = {
    "write_file": {"properties": {"path": {"type": "string"}, "content": {"type": "string"}}},
    "find": {
        "properties": {
            "text": {"type": ["string", "null"]},
            "limit": {"type": "integer"},
            "tags": {"type": "array"},
        }
    },
    "get": None,
    "get_time": {"type": "object", "properties": {}},
}


def argument(key: str, value: object, line_end: str = "") -> str:
    """Write an argument."""
    return f"<arg_key>{key}</arg_key>{line_end}<arg_value>{value}</arg_value>{line_end}"


def call(name: str, *arguments: tuple[str, object], line_end: str = "") -> str:
    """Write a call; each argument is a key and its value."""
    body = "".join(argument(*pair, line_end) for pair in arguments)
    return f"<tool_call>{name}{line_end}{body}</tool_call>"


def parsed(
    text: str, *, name: str = "glm-4.7", thinking: bool = False, tools: Any = TOOLS, **options: Any
) -> Parsed:
    """Parse a text, split in every way; by default, after the thinking."""
    return read(name, text, tools=tools, thinking=thinking, **options)
