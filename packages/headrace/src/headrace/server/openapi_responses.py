"""The part of the OpenAPI document about OpenAI's Responses."""

from collections.abc import Iterable
from typing import Any, Final, get_args

from headrace.server.openapi_parts import (
    ERRORS,
    FOLLOWING,
    ID,
    ID_OF_REQUEST,
    LINGER,
    POSITION,
    RESUMABLE,
    TOKEN,
)
from headrace.wire.decode_request import RANGES
from headrace.wire.request import Effort
from headrace.wire.request_schema import REFERENCE, Schema
from headrace.wire.responses.errors import CODES, OF_STATUS
from headrace.wire.responses.items import HOSTED_CALLS
from headrace.wire.responses.request import ECHOED

__all__ = ["RESPONSE_SCHEMAS", "describe_responses"]

_TEXT: Final = {"type": "string"}
_NULLABLE: Final = {"type": ["string", "null"]}
_COUNT: Final = {"type": "integer", "minimum": 0}
_ITEMS: Final = {"type": "array", "items": {"type": "object"}}
_STATUSES: Final = ("queued", "in_progress", "completed", "incomplete", "failed", "cancelled")
_FAILURES: Final = (400, 401, 403, 404, 405, 410, 500, 503)
_STARTING: Final = (400, 401, 403, 404, 405, 408, 415, 429, 431, 500, 503, 504)


def _or_null(type: str, **more: Any) -> Schema:
    return {"type": [type, "null"], **more}


def _object(types: Iterable[str], optional: Schema | None = None, **fields: Schema) -> Schema:
    """Return a part, an item or a tool of one of these types; `fields` are required."""
    return {
        "type": "object",
        "properties": {"type": {"enum": [*types]}, **(optional or {}), **fields},
        "required": ["type", *fields],
    }


def _message(*roles: str, parts: Iterable[Schema]) -> Schema:
    content = {"anyOf": [_NULLABLE, {"type": "array", "items": {"anyOf": [*parts]}}]}
    return {
        "type": "object",
        "properties": {"type": {"enum": ["message", None]}, "role": {"enum": [*roles]}, "content": content},
        "required": ["role"],
    }


_TEXT_PART: Final = _object(("input_text", "output_text"), text=_TEXT)
_IMAGE: Final = _object(("input_image",), image_url={"type": "string", "pattern": "^https?://"})
_SUMMARY: Final = {"type": "array", "items": _object(("summary_text",), text=_TEXT)}
_OUTPUT: Final = {"anyOf": [_TEXT, {"type": "array", "items": {"anyOf": [_TEXT_PART, _IMAGE]}}]}
_INPUT_ITEM: Final = {
    "anyOf": [
        _message("user", parts=(_TEXT_PART, _IMAGE)),
        _message("assistant", "developer", "system", parts=(_TEXT_PART,)),
        _object(("reasoning",), {"summary": _SUMMARY}),
        _object(("function_call",), {"arguments": _NULLABLE}, call_id=_TEXT, name=_TEXT),
        _object(("custom_tool_call",), call_id=_TEXT, name=_TEXT, input=_TEXT),
        _object(("function_call_output", "custom_tool_call_output"), call_id=_TEXT, output=_OUTPUT),
        _object(("item_reference",), id=_TEXT),
        _object(HOSTED_CALLS),
    ]
}
_NAME: Final = {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,128}$"}
_NAMED_TOOL: Final = {
    "anyOf": [
        _object((type,), {"description": _NULLABLE, field: _or_null("object")}, name=_NAME)
        for type, field in (("function", "parameters"), ("custom", "format"))
    ]
}


def _left_out(*known: str) -> Schema:
    return {
        "description": "a tool that OpenAI's service runs: it is left out",
        "type": "object",
        "properties": {"type": {**_TEXT, "not": {"enum": [*known]}}},
        "required": ["type"],
    }


_IN_NAMESPACE: Final = {"anyOf": [_NAMED_TOOL, _left_out("function", "custom")]}
_TOOL: Final = {
    "anyOf": [
        _NAMED_TOOL,
        _object(("namespace",), {"tools": _or_null("array", items=_IN_NAMESPACE)}, name=_TEXT),
        _left_out("function", "custom", "namespace"),
    ]
}
_CHOICE: Final = {
    "anyOf": [{"enum": ["auto", "none", "required", None]}, _object(("function", "custom"), name=_NAME)]
}
_EFFORT: Final = {"enum": [*get_args(Effort), None]}
_FORMAT: Final = {
    "anyOf": [
        {"type": "null"},
        {"type": "object", "properties": {"type": {"enum": ["text", "json_object"]}}},
        _object(("json_schema",), schema={"type": "object"}),
    ]
}


_FIELDS: Final[dict[str, Schema]] = {
    "background": _or_null("boolean"),
    "instructions": _or_null("string"),
    "max_output_tokens": _or_null(
        "integer", minimum=RANGES["max_tokens"][0], maximum=RANGES["max_tokens"][1]
    ),
    "metadata": _or_null("object"),
    "parallel_tool_calls": _or_null("boolean"),
    "previous_response_id": _or_null("string"),
    "reasoning": _or_null("object", properties={"effort": _EFFORT}),
    "store": _or_null("boolean"),
    "temperature": _or_null("number", minimum=RANGES["temperature"][0], maximum=RANGES["temperature"][1]),
    "text": _or_null("object", properties={"format": _FORMAT}),
    "tool_choice": _CHOICE,
    "tools": {"anyOf": [{"type": "array", "items": _TOOL}, {"type": "null"}]},
    "top_logprobs": {"enum": [0, None]},
    "top_p": _or_null("number", minimum=RANGES["top_p"][0], maximum=RANGES["top_p"][1]),
}

RESPONSE_SCHEMAS: Final[dict[str, Schema]] = {
    "ResponseRequest": {
        "description": "A request of OpenAI's Responses; unknown fields are accepted.",
        "type": "object",
        "properties": {
            "model": _TEXT,
            "input": {"anyOf": [_TEXT, {"type": "array", "items": _INPUT_ITEM}]},
            "stream": _or_null("boolean"),
            **{name: _FIELDS.get(name, {}) for name in ECHOED if name != "model"},
        },
        "required": ["model"],
    },
    "Response": {
        "type": "object",
        "properties": {
            "id": _TEXT,
            "object": {"const": "response"},
            "created_at": _COUNT,
            "status": {"enum": [*_STATUSES]},
            "error": {"type": ["object", "null"]},
            "incomplete_details": {"type": ["object", "null"]},
            "output": _ITEMS,
            "usage": {"type": ["object", "null"]},
            **{name: {} for name in ECHOED},
        },
        "required": ["id", "object", "created_at", "status", "error", "output", "usage", *ECHOED],
    },
    "ResponseEvent": {
        "type": "object",
        "properties": {"type": _TEXT, "sequence_number": _COUNT},
        "required": ["type", "sequence_number"],
    },
    "DeletedResponse": {
        "type": "object",
        "properties": {"id": _TEXT, "object": {"const": "response"}, "deleted": {"const": True}},
        "required": ["id", "object", "deleted"],
    },
    "ItemList": {
        "type": "object",
        "properties": {
            "object": {"const": "list"},
            "data": _ITEMS,
            "has_more": {"type": "boolean"},
            "first_id": _NULLABLE,
            "last_id": _NULLABLE,
        },
        "required": ["object", "data", "has_more", "first_id", "last_id"],
    },
    "ResponseError": {
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {
                    "message": {"description": "names the field, its value and the remedy", **_TEXT},
                    "type": _TEXT,
                    "param": {"description": "the field", **_NULLABLE},
                    "code": {
                        "enum": sorted(
                            {*CODES.values(), *OF_STATUS.values(), "invalid_request", "server_error"}
                        )
                    },
                },
                "required": ["message", "type", "param", "code"],
            }
        },
        "required": ["error"],
    },
}


def describe_responses(paths: Iterable[str]) -> dict[str, Any]:
    """Return the operations below each path."""
    described = {}
    for number, path in enumerate(paths, 1):
        for below, item in _OPERATIONS.items():
            suffix = str(number) if number > 1 else ""
            described[path + below] = {
                method: {**operation, "operationId": f"{operation['operationId']}{suffix}"}
                for method, operation in item.items()
            }
    return described


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REFERENCE.format(name=name)}}}


def _operation(
    id: str, summary: str, answer: str, errors: Iterable[int], *, stream: bool = False, **more: Any
) -> dict[str, Any]:
    content = _json(answer)
    if stream:
        schema = {"$ref": REFERENCE.format(name="ResponseEvent")}
        event = {"contentMediaType": "application/json", "contentSchema": schema}
        fields = {"id": _TEXT, "event": _TEXT, "data": {**_TEXT, **event}}
        content["text/event-stream"] = {
            "schema": {"type": "object", "properties": fields, "required": ["event", "data"]}
        }
    failures = {
        str(status): {"description": ERRORS[status], "content": _json("ResponseError")} for status in errors
    }
    return {
        "operationId": id,
        "summary": summary,
        **more,
        "responses": {"200": {"description": answer, "content": content}, **failures},
    }


def _query(name: str, schema: Schema, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_STREAM: Final = _query("stream", {"type": "boolean", "default": False}, "As a stream, from its beginning")
_AFTER: Final = _query("starting_after", _COUNT, "Only the events after this `sequence_number`")
_PAGE: Final = (
    _query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "Items of a page"),
    _query("order", {"enum": ["asc", "desc"], "default": "desc"}, "The newest item is first or last"),
    _query("after", _TEXT, "Of a list of items: the id of the last item of the page before"),
)
_OPERATIONS: Final[dict[str, dict[str, Any]]] = {
    "": {
        "post": _operation(
            "createResponse",
            "Start a response: complete, as a stream, or in the background",
            "Response",
            _STARTING,
            stream=True,
            requestBody={"required": True, "content": _json("ResponseRequest")},
            parameters=[RESUMABLE, ID_OF_REQUEST, LINGER],
        )
    },
    "/{id}": {
        "get": _operation(
            "readResponse",
            "A response as it is, or its stream",
            "Response",
            _FAILURES,
            stream=True,
            parameters=[ID, _STREAM, _AFTER, RESUMABLE, POSITION, FOLLOWING, TOKEN],
        ),
        "delete": _operation(
            "deleteResponse", "Delete a response", "DeletedResponse", _FAILURES, parameters=[ID]
        ),
    },
    "/{id}/cancel": {
        "post": _operation(
            "cancelResponse",
            "Cancel a response: what there is of it",
            "Response",
            _FAILURES,
            parameters=[ID, TOKEN],
        )
    },
    "/{id}/input_items": {
        "get": _operation(
            "listInputItems",
            "The items of the input",
            "ItemList",
            _FAILURES,
            parameters=[ID, *_PAGE, TOKEN],
        )
    },
}
