"""The ASGI application. Starlette routes the ordinary endpoints and never sees a turn."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headrace.errors import HeadraceError, RequestError, encode_error
from headrace.models import ModelRegistry
from headrace.server.chat import ChatEndpoint
from headrace.server.connection import HttpConnection, Receive, Send
from headrace.server.keys import ApiKeys
from headrace.server.metrics import Metrics
from headrace.server.response_writer import ResponseWriter, new_interpreter
from headrace.server.results import AsyncEndpoint, ResultEndpoint
from headrace.server.resume import ResumeEndpoint
from headrace.server.settings import Settings
from headrace.turns import OutcomeLogger, Plan, TurnRegistry, open_store
from headrace.wire import ChatRequest

__all__ = ["PREFIXES", "App"]

_OPENAI_PREFIX: Final = "/v1"
PREFIXES: Final = ("/api/paas/v4", "/api/coding/paas/v4", _OPENAI_PREFIX)
"""Z.ai's two, and OpenAI's, so that every OpenAI client works."""

_DEFECT: Final = HeadraceError("the server made a mistake; its log says which")

Endpoint = Callable[[HttpConnection], Awaitable[None]]


class App:
    """The server as an ASGI application. At shutdown it leaves its turns to others, and unloads its models.

    Args:
        models: the models that are served.
        settings: keys, limits, clocks, and where turns are kept.
    """

    def __init__(self, models: ModelRegistry, settings: Settings) -> None:
        self._models = models
        self._keys = ApiKeys(settings.api_keys)
        self._metrics = Metrics(model.names[0] for model in models.models)
        observers = (self._metrics, OutcomeLogger())
        self._turns = TurnRegistry(open_store(settings.turns), self._plan, settings.turns, observers)
        self._endpoints: dict[str, Endpoint] = {}
        self._endpoints_by_id: dict[str, Endpoint] = {}
        for prefix in PREFIXES:
            writer = ResponseWriter(models, settings.keep_alive, repeats_role=prefix != _OPENAI_PREFIX)
            chat = f"{prefix}/chat/completions"
            self._endpoints[chat] = ChatEndpoint(self._turns, writer, self._keys, settings)
            self._endpoints_by_id[chat] = ResumeEndpoint(self._turns, writer, self._keys)
            begin = AsyncEndpoint(self._turns, self._keys, settings.max_body)
            self._endpoints[f"{prefix}/async/chat/completions"] = begin
            result = ResultEndpoint(self._turns, writer, self._keys)
            self._endpoints_by_id[f"{prefix}/async-result"] = result
        lists = [Route(f"{prefix}/models", self._list_models) for prefix in PREFIXES]
        cards = [Route(f"{prefix}/models/{{name:path}}", self._read_model) for prefix in PREFIXES]
        self._ordinary = Starlette(
            routes=[*lists, *cards, Route("/health", self._health), Route("/metrics", self._read_metrics)],
            exception_handlers={HeadraceError: _error, HTTPException: _http_error, Exception: _defect},
        )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One connection's worth of ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and (endpoint := self._find(scope["path"])):
            connection = HttpConnection(scope, receive, send)
            try:
                await endpoint(connection)
            except HeadraceError as error:
                await connection.send_error(error)
            except asyncio.CancelledError:
                pass  # the server stops, and has waited long enough: uvicorn cuts the stream
            except Exception:
                with suppress(RuntimeError):  # an answer has begun: uvicorn cuts it
                    await connection.send_error(_DEFECT)
                raise  # for the server's log
        else:
            await self._ordinary(scope, receive, send)

    def _plan(self, request: ChatRequest) -> Plan:
        model = self._models.find(request.model)
        interpreter = partial(new_interpreter, model, request)
        return Plan(model.names[0], model.engine, model.generation(request), interpreter)

    def _find(self, path: str) -> Endpoint | None:
        """What answers a path that is about a turn."""
        return self._endpoints.get(path) or self._endpoints_by_id.get(path.rpartition("/")[0])

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        with suppress(asyncio.CancelledError):  # told to stop twice, uvicorn says no more
            await receive()
        await self._turns.close()
        await self._models.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _list_models(self, request: Request) -> Response:
        self._keys.check(request.headers)
        listed = [_card(name) for name in self._models.names]
        return JSONResponse({"object": "list", "data": listed})

    async def _read_model(self, request: Request) -> Response:
        self._keys.check(request.headers)
        name = request.path_params["name"]
        try:
            self._models.find(name)
        except RequestError as error:
            raise RequestError(error.message, code=error.code, status=404) from None
        return JSONResponse(_card(name))

    async def _read_metrics(self, request: Request) -> Response:
        self._keys.check(request.headers)
        return Response(self._metrics.encode(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})


def _card(name: str) -> dict[str, Any]:
    """A model object, as OpenAI documents it."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "headrace"}


async def _error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HeadraceError)
    return Response(encode_error(error), error.status, media_type="application/json")


async def _defect(request: Request, _: Exception) -> Response:
    return await _error(request, _DEFECT)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    msg = f"{request.method} {request.url.path}: {error.detail.lower()}"
    response = await _error(request, RequestError(msg, code="1222", status=error.status_code))
    response.headers.update(error.headers or {})  # a 405's `Allow`
    return response
