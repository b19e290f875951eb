"""The OpenAPI 3.1 document of the server, generated from the types that it decodes and encodes.

It is the same for every server: it has neither the names of the models nor anything secret.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from headrace import __version__
from headrace.models.description import ModelDescription
from headrace.server.openapi_messages import ERROR as MESSAGE_ERROR
from headrace.server.openapi_messages import SCHEMAS as MESSAGE_SCHEMAS
from headrace.server.openapi_messages import message_paths
from headrace.server.openapi_parts import (
    ERRORS,
    FOLLOWING,
    HEADERS,
    ID,
    ID_OF_REQUEST,
    LINGER,
    POSITION,
    RESUMABLE,
    SCHEMAS,
    SECURITY,
    STATUS,
    TOKEN,
    TRACE,
)
from headrace.server.openapi_responses import RESPONSE_SCHEMAS, describe_responses
from headrace.server.responses import RESPONSES
from headrace.wire import Completion
from headrace.wire.chunk import Chunk
from headrace.wire.request_schema import REFERENCE, Schema, request_schemas

__all__ = ["describe_api"]

_DESCRIPTION: Final = """\
Z.ai's streaming chat completions, on your own hardware. Every path of the API exists under three prefixes:
Z.ai's two, and OpenAI's. Streams at OpenAI's differ as OpenAI's clients expect: only the first delta has the
role, and a failure is an event with an error. Fields of other APIs are accepted as described here."""

_STARTING: Final = (400, 401, 403, 404, 405, 408, 415, 429, 431, 500, 503, 504)
_OWN: Final = (400, 401, 403, 405, 503)
_READING: Final = (*_OWN, 404)
_FINDING: Final = (*_READING, 410, 500)
_CHUNKS: Final = (
    "Server-sent events: each has a chunk as its data, and the last one is [DONE]. The events of a resumable"
    " turn have ids."
)
_ARGUMENT: Final = re.compile(r"^ +(\w+): (.+)$", re.MULTILINE)


def describe_api(prefixes: Iterable[str], messages: Iterable[str]) -> dict[str, Any]:
    """Return the document.

    Args:
        prefixes: of the paths of the API.
        messages: the paths of Anthropic's API.
    """
    models = [Completion, Chunk, ModelDescription]
    _, answers = msgspec.json.schema_components(models, ref_template=REFERENCE)
    for schema in answers.values():
        schema.pop("additionalProperties", None)  # a later version may send more
        _describe_fields(schema)
    paths: dict[str, Any] = {}
    for number, prefix in enumerate(prefixes, 1):
        for path, item in _paths().items():
            paths[prefix + path] = item if number == 1 else _numbered(item, number)
    for number, path in enumerate(messages, 1):
        paths |= message_paths(path, number)
        prefix = path.rpartition("/")[0]
        for name in ("/models", "/models/{id}"):
            paths.setdefault(prefix + name, _numbered(_paths()[name], 10 + number))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headrace", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{name: []} for name in SECURITY],
        "paths": paths | describe_responses(RESPONSES) | _own_paths(),
        "components": {
            "schemas": {**request_schemas(), **answers, **SCHEMAS, **MESSAGE_SCHEMAS, **RESPONSE_SCHEMAS},
            "responses": {
                **{f"Error{status}": _error(status) for status in ERRORS},
                "MessageError": MESSAGE_ERROR,
            },
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
    }


def _numbered(item: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return the operations of a path with ids of their own."""
    return {
        method: {**operation, "operationId": f"{operation['operationId']}{number}"}
        for method, operation in item.items()
    }


def _describe_fields(schema: Schema) -> None:
    """Move descriptions from the docstring of a type to its fields."""
    schema["description"], _, arguments = schema["description"].partition("\n\nArgs:\n")
    for name, meaning in _ARGUMENT.findall(arguments):
        schema["properties"][name]["description"] = meaning


def _paths() -> dict[str, dict[str, Any]]:
    """Return the paths of the API, without their prefix."""
    body = {"required": True, "content": _json("ChatRequest")}
    return {
        **_turn_paths(body),
        "/async/chat/completions": {
            "post": _operation(
                "createAsyncCompletion",
                "Start a turn whose answer is fetched later",
                {200: _answer("AsyncTask")},
                _STARTING,
                requestBody=body,
                parameters=[ID_OF_REQUEST, TRACE],
            ),
        },
        "/async-result/{id}": {
            "get": _operation(
                "readAsyncResult",
                "The state of a turn, and its answer when it has ended",
                {200: _answer("AsyncTask")},
                _FINDING,
                parameters=[ID],
            ),
        },
        "/models": {
            "get": _operation("listModels", "The models", {200: _plain("ModelList")}, _READING),
        },
        "/models/{id}": {
            "get": _operation(
                "readModel", "One model", {200: _plain("ModelDescription")}, _READING, parameters=[ID]
            ),
        },
    }


def _turn_paths(body: Schema) -> dict[str, dict[str, Any]]:
    """Return the paths of chat completions, and of the turns that answer them."""
    followed: dict[int, Schema] = {
        200: _stream(),
        204: {"description": "The client has received the complete answer"},
    }
    return {
        "/chat/completions": {
            "post": _operation(
                "createChatCompletion",
                "Start a turn: its answer, complete or as a stream",
                {200: _answer("Completion", stream=True)},
                _STARTING,
                requestBody=body,
                parameters=[RESUMABLE, ID_OF_REQUEST, LINGER, TRACE],
            ),
            "get": _operation(
                "listTurns",
                "The running turns of the key",
                {200: _plain("TurnList")},
                _OWN,
                parameters=[STATUS],
            ),
        },
        "/chat/completions/{id}": {
            "get": _operation(
                "resumeChatCompletion",
                "Resume a stream",
                followed,
                _FINDING,
                parameters=[ID, POSITION, FOLLOWING, TOKEN],
            ),
            "post": _operation(
                "resumeChatCompletionByPost",
                "The same, for clients behind a tunnel that collects the response to a GET; without a body",
                followed,
                (*_FINDING, 408, 415),
                parameters=[ID, POSITION, FOLLOWING, TOKEN],
            ),
            "delete": _operation(
                "cancelChatCompletion",
                "Cancel a turn: the answer so far",
                {200: _answer("Completion")},
                _FINDING,
                parameters=[ID, TOKEN],
            ),
        },
    }


def _own_paths() -> dict[str, dict[str, Any]]:
    """Return the paths that have no prefix."""
    text = {"text/plain": {"schema": {"type": "string"}}}
    metrics = {"description": "Prometheus's text format", "content": text}
    page = {"description": "A page", "content": {"text/html": {"schema": {"type": "string"}}}}
    activity = {
        "description": "Figures of the last hour, and the turns that run",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
    document = {
        "description": "An OpenAPI document",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
    return {
        "/": {"get": _file("readPage", "The chat page", "text/html")},
        "/headrace.js": {"get": _file("readReader", "The reader for JavaScript", "text/javascript")},
        "/health": {
            "get": _operation(
                "readHealth", "Whether the server runs", {200: _plain("Health")}, (403, 405), security=[]
            )
        },
        "/healthz": {
            "get": _operation(
                "readLiveness", "Whether the process works", {200: _plain("Health")}, (403, 405), security=[]
            )
        },
        "/readyz": {
            "get": _operation(
                "readReadiness",
                "Whether the server should get requests",
                {200: _plain("Health"), 503: _plain("Unready")},
                (403, 405),
                security=[],
            )
        },
        "/metrics": {"get": _operation("readMetrics", "Metrics", {200: metrics}, _OWN)},
        "/admin": {
            "get": _operation("readAdminPage", "A view for operators", {200: page}, (403, 405), security=[])
        },
        "/admin.json": {"get": _operation("readActivity", "What the server is doing", {200: activity}, _OWN)},
        "/api/monitor/usage/quota/limit": {
            "get": _operation("readQuota", "Limits of the key and their usage", {200: _plain("Quota")}, _OWN)
        },
        "/openapi.json": {
            "get": _operation("readOpenapi", "This document", {200: document}, (403, 405), security=[])
        },
    }


def _operation(
    id: str, summary: str, responses: Mapping[int, Schema], errors: Iterable[int], **more: Any
) -> dict[str, Any]:
    failures = {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in sorted(errors)}
    return {
        "operationId": id,
        "summary": summary,
        **more,
        "responses": {**{str(status): response for status, response in responses.items()}, **failures},
    }


def _file(id: str, summary: str, kind: str) -> dict[str, Any]:
    body: Schema = {"description": summary, "content": {kind: {"schema": {"type": "string"}}}}
    unchanged: Schema = {"description": "The client has this version"}
    return _operation(id, summary, {200: body, 304: unchanged}, (403, 405), security=[])


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REFERENCE.format(name=schema)}}}


def _plain(schema: str) -> dict[str, Any]:
    return {"description": schema, "content": _json(schema)}


def _answer(schema: str, *, stream: bool = False) -> dict[str, Any]:
    content = {**_json(schema), **(_stream()["content"] if stream else {})}
    return {
        "description": f"{schema}; {_CHUNKS}" if stream else schema,
        "headers": dict(_headers()),
        "content": content,
    }


def _stream() -> dict[str, Any]:
    """Return the response whose body is a stream; the schema is that of an event."""
    names = ("Chunk", "Error")
    chunk = {"anyOf": [{"$ref": REFERENCE.format(name=name)} for name in names]}
    encoded = {"contentMediaType": "application/json", "contentSchema": chunk}
    fields = {
        "id": {"type": "string"},
        "event": {"enum": ["message", "error"], "default": "message"},
        "data": {"type": "string", "anyOf": [{"const": "[DONE]"}, encoded]},
    }
    event = {"type": "object", "properties": fields, "required": ["data"]}
    content = {"text/event-stream": {"schema": event}}
    return {"description": _CHUNKS, "headers": dict(_headers()), "content": content}


def _headers() -> Iterator[tuple[str, dict[str, str]]]:
    for name in HEADERS:
        if name.startswith("X-"):
            yield name, {"$ref": f"#/components/headers/{name}"}


def _error(status: int) -> dict[str, Any]:
    names = [
        "X-Request-Id",
        *(["Retry-After"] if status in (429, 503) else []),
        *(["Allow"] if status == 405 else []),
    ]
    return {
        "description": ERRORS[status],
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": _json("Error"),
    }
