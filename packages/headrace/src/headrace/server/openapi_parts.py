"""Parts of the OpenAPI document that no type of the code has: headers, parameters, keys, and small bodies."""

from collections.abc import Mapping
from typing import Any, Final

from headrace.errors import STATUS_OF_CODE
from headrace.wire.request_schema import REFERENCE, Schema

__all__ = [
    "ERRORS",
    "FOLLOWING",
    "HEADERS",
    "ID",
    "ID_OF_REQUEST",
    "LINGER",
    "POSITION",
    "RESUMABLE",
    "SCHEMAS",
    "SECURITY",
    "STATUS",
    "TOKEN",
    "TRACE",
]

_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_WINDOW: Final = {
    "type": "object",
    "properties": {
        "type": {"enum": ["TOKENS_LIMIT", "REQUESTS_LIMIT"]},
        "unit": {"description": "of the window: 3 is hours, 5 minutes", "enum": [3, 5]},
        "number": {"description": "units of the window", **_COUNT},
        "usage": {"description": "the limit", **_COUNT},
        "currentValue": _COUNT,
        "remaining": _COUNT,
        "percentage": {**_COUNT, "maximum": 100},
        "nextResetTime": {"description": "milliseconds since 1970; absent if nothing is used", **_COUNT},
    },
    "required": ["type", "unit", "number", "usage", "currentValue", "remaining", "percentage"],
}

ERRORS: Final[Mapping[int, str]] = {
    400: "The request is invalid: the message names the field, the value and the remedy.",
    401: "The API key is missing (1001), wrong (1002), or a token that has expired (1003).",
    403: "The key may not do this, or a page of another site sent the request (1220).",
    404: "There is no such turn (1214), model (1211) or path (1222).",
    405: "The path does not support the method (1222).",
    408: "The request took too long to arrive (1210).",
    410: "The turn's log is no longer available (1214).",
    415: "The body is not JSON, or is compressed (1210).",
    429: "A limit was reached (1302, 1303, 1305, 1113): try again after `Retry-After` seconds.",
    431: "The head of the request is too large (1210).",
    500: "The model, or the server, failed (1230, 1234, 500).",
    503: "The model's server or the turn store is unreachable, or the server is shutting down (1221, 1234).",
    504: "The model did not answer in time (1234).",
}
"""The statuses of errors."""

SCHEMAS: Final[Mapping[str, Schema]] = {
    "Error": {
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {
                    "code": {"description": "Z.ai's code", "enum": [*STATUS_OF_CODE]},
                    "message": {"description": "names the field, its value and the remedy", **_TEXT},
                    "type": {
                        "description": "OpenAI's type",
                        "enum": [
                            "invalid_request_error",
                            "authentication_error",
                            "permission_error",
                            "rate_limit_error",
                            "server_error",
                        ],
                    },
                },
                "required": ["code", "message", "type"],
            }
        },
        "required": ["error"],
    },
    "AsyncTask": {
        "description": "The state of a turn; with SUCCESS, the fields of a completion as well.",
        "type": "object",
        "properties": {
            "id": _TEXT,
            "request_id": _TEXT,
            "model": _TEXT,
            "task_status": {"enum": ["PROCESSING", "SUCCESS", "FAIL"]},
            "error": {
                "description": "with FAIL",
                "type": "object",
                "properties": {"code": _TEXT, "message": _TEXT},
                "required": ["code", "message"],
            },
        },
        "required": ["id", "request_id", "model", "task_status"],
    },
    "ModelList": {
        "type": "object",
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": {"$ref": REFERENCE.format(name="ModelDescription")}},
            "has_more": {"description": "Anthropic's", "const": False},
            "first_id": {"description": "Anthropic's", "type": ["string", "null"]},
            "last_id": {"description": "Anthropic's", "type": ["string", "null"]},
            "models": {"description": "Codex's catalogue", "type": "array", "items": {"type": "object"}},
        },
        "required": ["object", "data", "has_more", "models"],
    },
    "TurnList": {
        "type": "object",
        "properties": {
            "object": {"const": "list"},
            "data": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "id": _TEXT,
                        "request_id": _TEXT,
                        "created": {"description": "seconds since 1970", **_COUNT},
                        "status": {"const": "running"},
                    },
                    "required": ["id", "request_id", "created", "status"],
                },
            },
        },
        "required": ["object", "data"],
    },
    "Quota": {
        "description": "Z.ai's shape; a window without a limit is left out.",
        "type": "object",
        "properties": {
            "code": {"const": 200},
            "msg": {"const": "success"},
            "success": {"const": True},
            "data": {
                "type": "object",
                "properties": {"level": _TEXT, "limits": {"type": "array", "items": _WINDOW}},
                "required": ["level", "limits"],
            },
        },
        "required": ["code", "msg", "success", "data"],
    },
    "Health": {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]},
    "Unready": {
        "type": "object",
        "properties": {"status": {"const": "unavailable"}, "reason": {"type": "string"}},
        "required": ["status", "reason"],
    },
}

HEADERS: Final[Mapping[str, dict[str, Any]]] = {
    "X-Request-Id": {
        "description": "The id of the turn, or of the error in the server's log",
        "schema": _TEXT,
    },
    "X-Headrace-Turn": {"description": "The turn is resumable: its id", "schema": _TEXT},
    "X-Headrace-Resume": {"description": "The turn is not resumable after all", "schema": {"const": "off"}},
    "X-Headrace-Unenforced": {
        "description": "Keywords of the schemas that are not enforced",
        "schema": _TEXT,
    },
    "X-Headrace-Ignored": {
        "description": "Fields of the request that have no effect because they are unknown",
        "schema": _TEXT,
    },
    "X-Headrace-Linger": {
        "description": "Seconds for which the turn continues without a reader, if chosen by its request",
        "schema": {"type": "number", "minimum": 0},
    },
    "X-Headrace-Keep-Alive": {
        "description": "Seconds for which the stream is silent at most",
        "schema": {"type": "number", "exclusiveMinimum": 0},
    },
    "Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}},
    "Allow": {"description": "The methods that the path supports", "schema": _TEXT},
}

SECURITY: Final[Mapping[str, dict[str, str]]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key, or a token signed with it. A server without keys accepts any.",
    },
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "api-key": {"type": "apiKey", "in": "header", "name": "api-key", "description": "Azure's"},
}

ID: Final = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
POSITION: Final = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The id of the last event that was received; takes precedence over `after`",
    "schema": {"type": "string", "pattern": "^[0-9]{0,18}$"},
}
FOLLOWING: Final = {
    "name": "after",
    "in": "query",
    "description": "Of a stream: the same as `Last-Event-ID`, for clients that cannot set headers",
    "schema": {"type": "string", "pattern": "^[0-9]{1,18}$", "default": "0"},
}
TOKEN: Final = {
    "name": "token",
    "in": "query",
    "description": "A token signed for this turn, for clients that have no key or cannot set headers",
    "schema": _TEXT,
}
RESUMABLE: Final = {
    "name": "X-Headrace-Resumable",
    "in": "header",
    "description": '"1": the turn is resumable, its events have ids, and a failure is an event',
    "schema": _TEXT,
}
ID_OF_REQUEST: Final = {
    "name": "X-Headrace-Request-Id",
    "in": "header",
    "description": "The field `request_id`, for servers that reject it",
    "schema": {"type": "string", "maxLength": 64},
}
LINGER: Final = {
    "name": "X-Headrace-Linger",
    "in": "header",
    "description": "Seconds for which a resumable turn continues without a reader, up to `--max-linger`",
    "schema": {"type": "string", "pattern": "^[0-9]{1,9}([.][0-9]{1,9})?$"},
}
STATUS: Final = {
    "name": "status",
    "in": "query",
    "required": True,
    "description": "Of the turns to list",
    "schema": {"const": "running"},
}
TRACE: Final = {
    "name": "traceparent",
    "in": "header",
    "description": "The client's span, with `tracestate` (W3C Trace Context); what is not valid is ignored",
    "schema": _TEXT,
}
