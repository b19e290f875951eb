"""What is asked for: the fields in which each streamed request differs from the plain one, and bad requests.

They are those of chat completions; `Api.encode` writes them for another API.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

__all__ = [
    "BAD_INPUTS",
    "LIMIT",
    "PARALLEL",
    "POEM",
    "SCHEMA",
    "STOP",
    "STREAMS",
    "TOOLS",
    "VARIANTS",
    "WRONG_KEY",
    "BadInput",
]

LIMIT: Final = 16
"""The tokens of an answer that is cut off; OpenAI accepts no fewer in the Responses API."""

STOP: Final = "e"
"""The stop string. Nearly every English answer contains it."""

TOOLS: Final = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"Get the current {what} for a city",
            "parameters": {
                "type": "object",
                "properties": {"location": {"type": "string", "description": "City name, e.g. Paris"}},
                "required": ["location"],
                "additionalProperties": False,
            },
        },
    }
    for name, what in (("get_weather", "weather"), ("get_time", "time"))
]

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
    "additionalProperties": False,
}


class BadInput(NamedTuple):
    """A request that has to be refused."""

    what: str
    body: bytes | dict[str, Any]
    """The body, or the changed fields of a valid one; None removes a field."""
    field: str = ""
    """What the error should name."""


BAD_INPUTS: Final[Mapping[str, BadInput]] = {
    "malformed-json": BadInput("malformed JSON", b'{"model": '),
    "list-as-body": BadInput("a list as body", b"[]"),
    "no-messages": BadInput("no messages", {"messages": None}, "messages"),
    "empty-messages": BadInput("an empty list of messages", {"messages": []}, "messages"),
    "messages-as-text": BadInput("messages as text", {"messages": "hello"}, "messages"),
    "unknown-role": BadInput(
        "an unknown role", {"messages": [{"role": "robot", "content": "hello"}]}, "role"
    ),
    "content-as-number": BadInput(
        "a number as content", {"messages": [{"role": "user", "content": 5}]}, "content"
    ),
    "temperature-as-text": BadInput("a temperature as text", {"temperature": "warm"}, "temperature"),
    "high-top_p": BadInput("a top_p of 2", {"top_p": 2}, "top_p"),
    "negative-max_tokens": BadInput("a negative max_tokens", {"max_tokens": -5}, "max_tokens"),
    "tools-as-text": BadInput("tools as text", {"tools": "get_weather"}, "tools"),
    "stream-as-text": BadInput("stream as text", {"stream": "perhaps"}, "stream"),
}
"""By the end of the rule's id."""

PARALLEL: Final = tuple(f"parallel {number}" for number in range(1, 11))

WRONG_KEY: Final = "a wrong key"

POEM: Final = [{"role": "user", "content": "Write a short poem about the sea."}]
_CALL: Final = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"location": "Paris"}'},
}


def _after_call(content: str | None) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": "What is the weather in Paris?"},
        {"role": "assistant", "content": content, "tool_calls": [_CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"temperature": "18 °C", "sky": "clear"}'},
    ]


VARIANTS: Final[Mapping[str, dict[str, Any]]] = {
    "plain": {},
    "plain again": {},
    "Chinese": {"messages": [{"role": "user", "content": "写一首关于大海的短诗，用上🌊。"}]},
    "thinking": {"thinking": {"type": "enabled"}},
    "no thinking": {"thinking": {"type": "disabled"}},
    "low effort": {"thinking": {"type": "enabled"}, "reasoning_effort": "low"},
    "high effort": {"thinking": {"type": "enabled"}, "reasoning_effort": "high"},
    "long": {"max_tokens": 600},
    "long with gzip": {"max_tokens": 600},
    "max_tokens": {"max_tokens": LIMIT},
    "stop": {"stop": [STOP]},
    "tool": {
        "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
        "tools": TOOLS[:1],
    },
    "tool_stream": {
        "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
        "tools": TOOLS[:1],
        "tool_stream": True,
    },
    "two calls": {
        "messages": [{"role": "user", "content": "What is the weather in Paris, and what in London?"}],
        "tools": TOOLS,
    },
    "tool result": {"messages": _after_call(""), "tools": TOOLS[:1]},
    "tool result, content null": {"messages": _after_call(None), "tools": TOOLS[:1]},
    "json_object": {
        "messages": [{"role": "user", "content": "Where is the Eiffel Tower? Answer as JSON."}],
        "response_format": {"type": "json_object"},
    },
    "json_schema": {
        "messages": [{"role": "user", "content": "Where is the Eiffel Tower? Answer as JSON."}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "place", "strict": True, "schema": SCHEMA},
        },
    },
    **{name: {"max_tokens": 30} for name in PARALLEL},
}
"""Streamed requests: the fields in which they differ from the plain one."""

STREAMS: Final = tuple(VARIANTS)
