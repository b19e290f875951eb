"""The part of the OpenAPI document for Anthropic's Messages API.

Requests and answers are Anthropic's, whose reference describes them; here is what the server requires.
"""

from collections.abc import Mapping
from typing import Any, Final

from headrace.server.openapi_parts import FOLLOWING, ID, ID_OF_REQUEST, LINGER, POSITION, RESUMABLE, TOKEN
from headrace.wire.decode_request import RANGES
from headrace.wire.messages.history import LEFT_OUT
from headrace.wire.messages.tools import SERVER_TOOL
from headrace.wire.request_schema import REFERENCE, Schema

__all__ = ["ERROR", "SCHEMAS", "message_paths"]

_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_TOKENS: Final = RANGES["max_tokens"]


def _object(kind: str, **fields: Schema) -> Schema:
    """Return a content block, or the like, whose fields are all required."""
    return {
        "type": "object",
        "properties": {"type": {"const": kind}, **fields},
        "required": ["type", *fields],
    }


def _content(*blocks: Schema) -> Schema:
    return {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": {"anyOf": [*blocks]}}]}


_TEXT_BLOCK: Final = _object("text", text=_TEXT)
_IMAGE: Final = _object(
    "image",
    source={
        "anyOf": [
            _object("base64", media_type={"type": "string", "pattern": "^image/"}, data=_TEXT),
            _object("url", url={"type": "string", "pattern": "^https?://"}),
        ]
    },
)
_TEXTS: Final = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT_BLOCK}]}
_READABLE: Final = (
    _TEXT_BLOCK,
    _IMAGE,
    _object("document", source=_object("text", data=_TEXT)),
    _object("search_result", title=_TEXT, source=_TEXT, content=_TEXTS),
)
_RESULT: Final = {
    "anyOf": [
        _TEXT,
        {"type": "array", "items": {"anyOf": [*_READABLE, _object("tool_reference", tool_name=_TEXT)]}},
        {"type": "null"},
    ]
}
_TOOL_RESULT: Final[Schema] = {
    "type": "object",
    "properties": {"type": {"const": "tool_result"}, "tool_use_id": _TEXT, "content": _RESULT},
    "required": ["type", "tool_use_id"],
}
_IN_ANSWERS: Final = (
    _TEXT_BLOCK,
    _object("thinking", thinking=_TEXT),
    _object("tool_use", id=_TEXT, name=_TEXT, input={"type": "object"}),
    {"type": "object", "properties": {"type": {"enum": sorted(LEFT_OUT)}}, "required": ["type"]},
)
_ROLES: Final = {
    "user": _content(*_READABLE, _object("tool_reference", tool_name=_TEXT), _TOOL_RESULT),
    "assistant": _content(*_IN_ANSWERS),
    "system": _content(_TEXT_BLOCK),
}
_MESSAGE: Final = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"role": {"const": role}, "content": content},
            "required": ["role", "content"],
        }
        for role, content in _ROLES.items()
    ]
}
_TOOL: Final = {
    "type": "object",
    "anyOf": [
        {
            "properties": {
                "name": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,128}$"},
                "input_schema": {"type": "object"},
                "type": {"enum": ["custom", None]},
            },
            "required": ["name", "input_schema"],
        },
        {
            "description": "a tool that Anthropic's service runs: it is left out",
            "properties": {"type": {"type": "string", "pattern": f"^({SERVER_TOOL.pattern})"}},
            "required": ["type"],
        },
    ],
}
_PROMPT: Final[Schema] = {
    "model": {"description": "a served name, or one of `claude_models`", **_TEXT},
    "messages": {
        "type": "array",
        "minItems": 1,
        "items": _MESSAGE,
    },
    "system": {"anyOf": [_TEXTS, {"type": "null"}]},
    "tools": {"type": ["array", "null"], "items": _TOOL},
}
_BLOCK: Final = {
    "type": "object",
    "properties": {"type": {"enum": ["thinking", "text", "tool_use"]}},
    "required": ["type"],
}
_USAGE: Final = {
    "type": "object",
    "properties": dict.fromkeys(
        ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"), _COUNT
    ),
    "required": ["input_tokens", "output_tokens"],
}
_EVENT_TYPES: Final = (
    *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
    *("message_delta", "message_stop", "ping", "error"),
)

SCHEMAS: Final[Mapping[str, Schema]] = {
    "MessageRequest": {
        "description": "A request of Anthropic's Messages API; unknown fields are ignored.",
        "type": "object",
        "properties": {
            **_PROMPT,
            "max_tokens": {"type": "integer", "minimum": _TOKENS[0], "maximum": _TOKENS[1]},
            "stream": {"type": ["boolean", "null"], "default": False},
        },
        "required": ["model", "messages", "max_tokens"],
    },
    "CountRequest": {"type": "object", "properties": _PROMPT, "required": ["model", "messages"]},
    "TokenCount": {
        "type": "object",
        "properties": {"input_tokens": _COUNT},
        "required": ["input_tokens"],
    },
    "AnthropicMessage": {
        "type": "object",
        "properties": {
            "id": _TEXT,
            "type": {"const": "message"},
            "role": {"const": "assistant"},
            "model": _TEXT,
            "content": {"type": "array", "items": _BLOCK},
            "stop_reason": {"type": ["string", "null"]},
            "stop_sequence": {"type": ["string", "null"]},
            "usage": _USAGE,
        },
        "required": ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"],
    },
    "MessageEvent": {
        "type": "object",
        "properties": {"type": {"enum": [*_EVENT_TYPES]}},
        "required": ["type"],
    },
    "MessageError": {
        "type": "object",
        "properties": {
            "type": {"const": "error"},
            "error": {
                "type": "object",
                "properties": {"type": _TEXT, "message": _TEXT, "details": {"type": "object"}},
                "required": ["type", "message"],
            },
        },
        "required": ["type", "error"],
    },
}

ERROR: Final[Schema] = {
    "description": "An error in Anthropic's form",
    "content": {"application/json": {"schema": {"$ref": REFERENCE.format(name="MessageError")}}},
}
_EVENTS: Final[Schema] = {
    "text/event-stream": {
        "schema": {
            "type": "object",
            "properties": {
                "id": _TEXT,
                "event": {"enum": [*_EVENT_TYPES]},
                "data": {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": {"$ref": REFERENCE.format(name="MessageEvent")},
                },
            },
            "required": ["event", "data"],
        }
    }
}


def message_paths(path: str, number: int) -> dict[str, dict[str, Any]]:
    """Return the paths below one of the API.

    Args:
        path: of the API.
        number: of this path, for the ids of the operations.
    """
    stream = {"description": "The events of a message", "content": _EVENTS}
    message = _json("AnthropicMessage", "A message")
    either = {**message, "content": {**message["content"], **_EVENTS}}
    return {
        path: {
            "post": _operation(
                f"createMessage{number}",
                "Anthropic's Messages API: start a turn, complete or as a stream",
                either,
                requestBody=_body("MessageRequest"),
                parameters=[RESUMABLE, ID_OF_REQUEST, LINGER],
            )
        },
        f"{path}/{{id}}": {
            "get": _resuming(f"resumeMessage{number}", "Resume the stream of a message", stream),
            "post": _resuming(f"resumeMessageByPost{number}", "The same, without a body", stream),
            "delete": _operation(
                f"cancelMessage{number}", "Cancel a turn: the message so far", message, parameters=[ID, TOKEN]
            ),
        },
        f"{path}/count_tokens": {
            "post": _operation(
                f"countTokens{number}",
                "The number of tokens of a request's prompt",
                _json("TokenCount", "The number"),
                requestBody=_body("CountRequest"),
            )
        },
    }


def _resuming(id: str, summary: str, stream: Schema) -> dict[str, Any]:
    operation = _operation(id, summary, stream, parameters=[ID, POSITION, FOLLOWING, TOKEN])
    operation["responses"]["204"] = {"description": "The client has received the complete message"}
    return operation


def _operation(id: str, summary: str, answer: Schema, **more: Any) -> dict[str, Any]:
    failure = {"$ref": "#/components/responses/MessageError"}
    return {"operationId": id, "summary": summary, **more, "responses": {"200": answer, "default": failure}}


def _json(schema: str, description: str) -> dict[str, Any]:
    reference = {"$ref": REFERENCE.format(name=schema)}
    return {"description": description, "content": {"application/json": {"schema": reference}}}


def _body(schema: str) -> dict[str, Any]:
    return {"required": True, "content": _json(schema, "")["content"]}
