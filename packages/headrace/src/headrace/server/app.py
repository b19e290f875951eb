"""The ASGI application. Starlette routes only the endpoints that do not concern turns."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headrace.engines import Generation
from headrace.errors import HeadraceError, LimitError, RequestError, encode_error
from headrace.models import Model, ModelRegistry
from headrace.server.chat import ChatEndpoint
from headrace.server.connection import HttpConnection, Receive, Send
from headrace.server.keys import ApiKeys, Throttle
from headrace.server.metrics import Metrics
from headrace.server.origins import check_origin
from headrace.server.request_reader import RequestReader, Workers, default_body_size
from headrace.server.response_writer import ResponseWriter
from headrace.server.results import AsyncEndpoint, ResultEndpoint
from headrace.server.resume import ResumeEndpoint
from headrace.server.settings import Settings
from headrace.turns import Interpreter, OutcomeLogger, Plan, TurnRegistry, open_store
from headrace.wire import ChatRequest

__all__ = ["PREFIXES", "App"]

_OPENAI_PREFIX: Final = "/v1"
PREFIXES: Final = ("/api/paas/v4", "/api/coding/paas/v4", _OPENAI_PREFIX)
"""Z.ai's two prefixes, and OpenAI's."""

_ANTHROPIC: Final = ("/v1/messages", "/api/anthropic/v1/messages")
_SHUTDOWN: Final = "the server is shutting down; send the request again"
_OTHER_APIS: Final = ("/v1/completions", "/v1/responses", *_ANTHROPIC)
"""Paths of OpenAI's other APIs for text, and of Anthropic's."""

Endpoint = Callable[[HttpConnection], Awaitable[None]]


class App:
    """The server as an ASGI application. At shutdown it releases its turns and unloads its models.

    Args:
        models: the models to serve.
        settings: API keys, limits, and the turn store.
    """

    def __init__(self, models: ModelRegistry, settings: Settings) -> None:
        self._models = models
        self._keys = ApiKeys(settings.api_keys)
        self._is_open = not settings.api_keys
        self._allowed_hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._wrong_keys = Throttle()
        self._metrics = Metrics(model.names[0] for model in models.models)
        observers = (self._metrics, OutcomeLogger())
        self._turns = TurnRegistry(open_store(settings.turns), self._plan, settings.turns, observers)
        self.endpoints: dict[str, Endpoint] = {}
        """The endpoints that start a turn, by path."""
        self._endpoints_by_id: dict[str, Endpoint] = {}
        self._workers = Workers()
        max_body_size = settings.max_body_size or default_body_size(models)
        reader = RequestReader(self._keys, max_body_size, self._plan, self._workers)
        always_resumable = settings.turns.resume == "always"
        for prefix in PREFIXES:
            writer = ResponseWriter(settings.keep_alive_interval, openai=prefix == _OPENAI_PREFIX)
            chat = f"{prefix}/chat/completions"
            self.endpoints[chat] = ChatEndpoint(
                self._turns, writer, reader, always_resumable=always_resumable
            )
            self._endpoints_by_id[chat] = ResumeEndpoint(self._turns, writer, self._keys)
            self.endpoints[f"{prefix}/async/chat/completions"] = AsyncEndpoint(self._turns, reader)
            result = ResultEndpoint(self._turns, writer, self._keys)
            self._endpoints_by_id[f"{prefix}/async-result"] = result
        lists = [Route(f"{prefix}/models", self._list_models) for prefix in PREFIXES]
        single = [Route(f"{prefix}/models/{{name:path}}", self._read_model) for prefix in PREFIXES]
        self._starlette = Starlette(
            routes=[*lists, *single, Route("/health", self._health), Route("/metrics", self._read_metrics)],
            exception_handlers={
                HeadraceError: self._error,
                HTTPException: _http_error,
                Exception: _internal_error,
            },
        )
        self._starlette.router.redirect_slashes = False  # a redirect would lead to the Host of the request

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        scope["path"] = _normalized(scope["path"])
        connection = HttpConnection(scope, receive, send)
        endpoint = self._find(connection.path)
        try:
            if self._is_open:
                check_origin(connection, self._allowed_hosts)
            if endpoint is not None:
                await endpoint(connection)
        except HeadraceError as error:
            await self._slow_down(error)
            await connection.send_error(error)
        except asyncio.CancelledError:  # the shutdown timeout has passed
            with suppress(RuntimeError):  # the response has started: uvicorn closes the connection
                await connection.send_error(LimitError(_SHUTDOWN, code="1234", status=503))
        except Exception as error:
            with suppress(RuntimeError):  # the response has started: uvicorn closes the connection
                await connection.send_error(_defect(error, connection.request_id))
            raise  # uvicorn logs it
        else:
            if endpoint is None:
                await self._starlette(scope, receive, send)

    def _plan(self, request: ChatRequest, owner: str) -> Plan:
        model = self._models.find(request.model)
        unenforced = model.unenforced(request)
        generation = model.generation(request, owner)
        interpreter = partial(_new_interpreter, model, generation)
        return Plan(model.names[0], model.engine, generation, interpreter, unenforced)

    def _find(self, path: str) -> Endpoint | None:
        """Return the endpoint of a path that concerns turns, or that belongs to another API."""
        if path in _OTHER_APIS:
            return _reject_other_api
        return self.endpoints.get(path) or self._endpoints_by_id.get(path.rpartition("/")[0])

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._turns.open()
        await send({"type": "lifespan.startup.complete"})
        with suppress(asyncio.CancelledError):  # uvicorn sends no shutdown event after a second signal
            await receive()
        self._workers.close()
        await self._turns.close()
        await self._models.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _slow_down(self, error: HeadraceError) -> None:
        if error.code == "1002":
            await self._wrong_keys.wait()

    async def _error(self, _: Request, error: Exception) -> Response:
        assert isinstance(error, HeadraceError)
        await self._slow_down(error)
        return _response(error)

    async def _list_models(self, request: Request) -> Response:
        self._keys.check(request.headers)
        data = [_model_object(name) for name in self._models.names]
        return JSONResponse({"object": "list", "data": data})

    async def _read_model(self, request: Request) -> Response:
        self._keys.check(request.headers)
        name = request.path_params["name"]
        try:
            self._models.find(name)
        except RequestError as error:
            raise RequestError(error.message, code=error.code, status=404) from None
        return JSONResponse(_model_object(name))

    async def _read_metrics(self, request: Request) -> Response:
        self._keys.check(request.headers)
        return Response(self._metrics.encode(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})


async def _reject_other_api(connection: HttpConnection) -> None:
    """Answer with status 400: Claude Code and Codex hide or retry a 404."""
    msg = (
        f"{connection.path} is not served here; use /v1/chat/completions, or a gateway that translates to it"
    )
    error = RequestError(msg, code="1222", status=400)
    if connection.path not in _ANTHROPIC:
        raise error
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": error.message}}
    await connection.send_json(msgspec.json.encode(body), status=error.status)


def _new_interpreter(model: Model, generation: Generation) -> Interpreter:
    return Interpreter(
        partial(model.parser, generation),
        closes_calls=not generation.request.stop,
        parallel_calls=generation.request.parallel_tool_calls,
    )


def _normalized(path: str) -> str:
    """Return a path without empty segments: clients join base URLs and paths in every way."""
    if "//" not in path and not path.endswith("/"):
        return path
    return "/" + "/".join(filter(None, path.split("/")))


def _model_object(name: str) -> dict[str, Any]:
    """Return a model object as OpenAI documents it."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "headrace"}


def _response(error: HeadraceError, request_id: str = "") -> Response:
    headers = {"x-request-id": request_id or secrets.token_hex(8)}
    return Response(encode_error(error), error.status, headers, "application/json")


def _defect(error: Exception, request_id: str) -> HeadraceError:
    """Return what the client learns of a defect: an id that is in the server log as well."""
    error.add_note(f"request id {request_id}")
    return HeadraceError(f"internal server error; see the server log, request id {request_id}")


async def _internal_error(_: Request, error: Exception) -> Response:
    request_id = secrets.token_hex(8)
    return _response(_defect(error, request_id), request_id)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    msg = f"{request.method} {request.url.path}: {error.detail.lower()}"
    if error.status_code == 404:
        msg += f"; the API is at {_OPENAI_PREFIX} and {PREFIXES[0]}"
    response = _response(RequestError(msg, code="1222", status=error.status_code))
    response.headers.update(error.headers or {})  # a 405's `Allow`
    return response
