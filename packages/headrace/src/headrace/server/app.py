"""The ASGI application. Starlette routes only the endpoints that do not concern turns."""

import asyncio
import time
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from headrace.configuration.settings import Settings
from headrace.documents import open_documents
from headrace.engines import Generation
from headrace.errors import HeadraceError, RequestError
from headrace.foreign_errors import needs_extra
from headrace.keys import ApiKeys, IssuedKeys, KeyRecords, MasterKey, Throttle, quota
from headrace.limits import Admission, KeyLimits, LimitedEngine, LimitSettings, open_limiter
from headrace.models import Model, ModelRegistry
from headrace.models.description import describe, describe_all
from headrace.server.admin import Activity, AdminEndpoint
from headrace.server.connection import (
    ERROR,
    OWNER,
    HttpConnection,
    MethodError,
    Receive,
    Send,
    encode_error_response,
    request_id_of,
)
from headrace.server.cors import CorsPolicy, is_preflight
from headrace.server.health import Health
from headrace.server.metrics import Metrics, slot_of
from headrace.server.metrics.table import OTHER
from headrace.server.openapi import describe_api
from headrace.server.origins import check_origin
from headrace.server.request_log import RequestLog, log_unread
from headrace.server.request_reader import RequestReader, Workers, default_body_size
from headrace.server.turn_endpoints import ANTHROPIC, MESSAGES, MODELS, OPENAI, PREFIXES, TurnEndpoints
from headrace.server.web import WEB_FILES
from headrace.telemetry.settings import TelemetrySettings
from headrace.turns import Interpreter, Plan, ProducerObserver, TurnRegistry, TurnSettings, open_shards
from headrace.turns.handover import shutting_down
from headrace.wire import ChatRequest

if TYPE_CHECKING:
    from headrace.telemetry.tracing import Tracing

__all__ = ["App"]

_QUOTA: Final = "/api/monitor/usage/quota/limit"


class App:
    """The server as an ASGI application. At shutdown it releases its turns and unloads its models.

    Args:
        models: the models to serve.
        settings: API keys, limits, and the turn store.
    """

    def __init__(self, models: ModelRegistry, settings: Settings) -> None:
        self._settings = settings
        self._issued_keys = _open_issued_keys(settings)
        limiter = open_limiter(self._current_limits, settings.turns)
        self._admission = Admission(limiter, self._current_limits, self._limits_of)
        self._models = ModelRegistry(self._limited(model) for model in models.models)
        self._default_body_size = default_body_size(models)
        self._wrong_keys = Throttle()
        slot = slot_of()
        self._metrics = Metrics(models.models, self._admission, slot)
        self._activity = Activity(self._admission, slot)
        self._workers = Workers(settings.max_waiting_bodies)
        self._requests = RequestLog(contents=settings.telemetry.log_contents)
        self._tracing = _open_tracing(settings.telemetry)
        self._needs_store = settings.turns.on_store_error == "fail"
        self._turns = self._open_turns(settings.turns)
        self._metrics.store_errors = self._store_errors
        self._api = b""
        self.reload(settings)
        self._health = Health(models, self._store_error, self._store_errors)
        self.routes = [
            *(Route(path, self._list_models) for path in MODELS),
            *(Route(f"{path}/{{name:path}}", self._read_model) for path in MODELS),
            Route(_QUOTA, self._read_quota),
            Route("/health", _read_health),
            Route("/metrics", self._read_metrics),
            Route("/openapi.json", self._read_api),
            *self._health.routes,
            *AdminEndpoint(self._activity, self._check_admin).routes,
        ]
        """The endpoints that do not concern turns."""
        self._starlette = Starlette(
            routes=self.routes,
            exception_handlers={
                HeadraceError: self._error,
                HTTPException: self._http_error,
                Exception: self._internal_error,
            },
        )
        self._starlette.router.redirect_slashes = False  # a redirect would lead to the Host of the request

    def reload(self, settings: Settings) -> None:
        """Use new settings for requests from now on. The store, and what is set by a master key, remain."""
        self._settings = settings
        self._keys = ApiKeys(settings.api_keys, self._issued_keys, settings.limits)
        self._allowed_hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._cors = CorsPolicy(settings.cors_origin, is_open=not settings.needs_keys)
        max_body_size = settings.max_body_size or self._default_body_size
        reader = RequestReader(self._keys, max_body_size, self._plan, self._workers)
        self.endpoints = TurnEndpoints(
            self._turns, reader, self._keys, self._models, settings, on_resumed=self._metrics.resumed
        )
        """The endpoints that concern turns."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        scope["path"] = _normalized(scope["path"])
        connection = HttpConnection(scope, receive, send, self.endpoints.error_encoder)
        try:
            await self._answer(connection, scope, receive)
        finally:
            route = self._route(scope)
            self._metrics.responded(route, connection.method, connection.status)
            self._requests.end(connection, route)

    async def _answer(
        self, connection: HttpConnection, scope: MutableMapping[str, Any], receive: Receive
    ) -> None:
        endpoint = self.endpoints.find(connection.path) or WEB_FILES.get(connection.path)
        if is_preflight(connection):
            endpoint = self._cors.answer_preflight
        try:
            if "origin" in connection.headers:
                connection.add_headers(self._cors.headers(connection))
            if not self._keys.are_required:
                is_file = connection.path in WEB_FILES
                is_allowed = self._cors.allows(connection)
                check_origin(connection, self._allowed_hosts, is_allowed=is_allowed, is_public=is_file)
            if endpoint is not None:
                await endpoint(connection)
        except HeadraceError as error:
            await self._slow_down(error)
            await connection.send_error(error)
        except asyncio.CancelledError:
            if not self._health.is_leaving:  # another ASGI server, whose client has disconnected
                raise
            # The shutdown timeout has passed.
            with suppress(RuntimeError):  # the response has started: uvicorn closes the connection
                await connection.send_error(shutting_down())
        except Exception as error:
            with suppress(RuntimeError):  # the response has started: uvicorn closes the connection
                await connection.send_error(_defect(error, connection.request_id))
            raise  # uvicorn logs it
        else:
            if endpoint is None:
                await self._starlette(scope, receive, connection.send_noting_status)

    def _limited(self, model: Model) -> Model:
        engine = LimitedEngine(model.engine, model.names[0], self._admission)
        return msgspec.structs.replace(model, engine=engine)

    def _open_turns(self, settings: TurnSettings) -> TurnRegistry:
        """Open the turn store; limits, metrics, the log and traces observe its turns."""
        shards = open_shards(settings)
        for number, shard in enumerate(shards, 1):
            shard.store.time_writes(self._metrics.saved(str(number)))
        observers = (self._admission, self._metrics, self._activity, self._workers)
        of_producer: list[ProducerObserver] = [*self._tracing, self._requests]
        return TurnRegistry(shards, self._plan, settings, observers, of_producer)

    @property
    def turns(self) -> int:
        """The number of turns that run or wait in this process."""
        return len(self._admission.running) + len(self._admission.waiting)

    def refused_unread(self, error: HeadraceError, client: str, request_id: str) -> None:
        """Count and log a response without a request."""
        self._metrics.responded(OTHER, OTHER, error.status)
        log_unread(error, client, request_id)

    def leave(self) -> None:
        """Report from now on that the server is shutting down."""
        self._health.is_leaving = True

    async def drain(self, *, hand_over: bool) -> None:
        """Start no more turns; hand over those that other processes can continue, or keep all."""
        self.endpoints.refuse()
        if hand_over:
            await self._turns.hand_over()
        else:
            self._turns.keep()

    def _limits_of(self, key: str) -> KeyLimits:
        return self._keys.limits_of(key)

    def _current_limits(self) -> LimitSettings:
        return self._settings.limits

    def _store_error(self) -> str:
        return self._turns.store_error if self._needs_store else ""

    def _store_errors(self) -> Sequence[str]:
        return self._turns.store_errors

    def _plan(self, request: ChatRequest, owner: str) -> Plan:
        model = self._models.find(request.model)
        self._keys.check_model(owner, request.model, model.names)
        unenforced = model.unenforced(request)
        generation = model.generation(request, owner)
        interpreter = partial(_new_interpreter, model, generation)
        return Plan(model.names[0], model.engine, generation, interpreter, unenforced)

    def _route(self, scope: MutableMapping[str, Any]) -> str:
        """Return the template of the route that a request has; `OTHER` if it has none."""
        path: str = scope["path"]
        if template := self.endpoints.template(path) or (path if path in WEB_FILES else None):
            return template
        matching = (route.path for route in self.routes if route.matches(scope)[0] is not Match.NONE)
        return next(matching, OTHER).replace(":path", "")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._keys.open()
        self._turns.open()
        self._metrics.open()
        self._activity.open()
        await send({"type": "lifespan.startup.complete"})
        with suppress(asyncio.CancelledError):  # uvicorn sends no shutdown event after a second signal
            await receive()
        self._workers.close()
        await self._turns.close()
        await self._admission.close()
        await self._models.close()
        for tracing in self._tracing:
            await tracing.close()
        await self._keys.close()
        await self._activity.close()
        await self._metrics.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _slow_down(self, error: HeadraceError) -> None:
        if error.code == "1002":
            await self._wrong_keys.wait()

    async def _error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HeadraceError)
        await self._slow_down(error)
        return self._response(request, error)

    async def _internal_error(self, request: Request, error: Exception) -> Response:
        return self._response(request, _defect(error, request_id_of(request.scope)))

    async def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        path = request.scope["path"]
        if allowed := (error.headers or {}).get("Allow"):
            return self._response(request, MethodError(path, request.method, sorted(allowed.split(", "))))
        msg = f"{request.method} {path}: {error.detail.lower()}"
        if error.status_code == 404:
            msg += f"; the APIs are at {OPENAI}, {PREFIXES[0]} and {ANTHROPIC}"
        return self._response(request, RequestError(msg, code="1222", status=error.status_code))

    def _response(self, request: Request, error: HeadraceError) -> Response:
        request.scope[ERROR] = error
        encode = self.endpoints.error_encoder(request.scope["path"]) or encode_error_response
        encoded = encode(error, request_id_of(request.scope))
        response = Response(encoded.body, encoded.status)
        response.raw_headers = list(encoded.headers)
        return response

    async def _authenticate(self, request: Request) -> str:
        """Return the id of the caller's API key. Raises `HeadraceError` if it has none."""
        request.scope[OWNER] = owner = await self._keys.check(request.headers)
        return owner

    async def _list_models(self, request: Request) -> Response:
        owner = await self._authenticate(request)
        models = {name: self._models.find(name) for name in self._models.names}
        permitted = (name for name in models if self._keys.may_use(owner, [name, *models[name].names]))
        return _json(describe_all([describe(models[name], name) for name in permitted]))

    async def _read_model(self, request: Request) -> Response:
        owner = await self._authenticate(request)
        name = request.path_params["name"]
        try:
            model = self._models.find(name)
        except RequestError as error:
            raise RequestError(error.message, code=error.code, status=404) from None
        self._keys.check_model(owner, name, model.names)
        return _json(describe(model, name))

    async def _read_metrics(self, request: Request) -> Response:
        await self._check_admin(request)
        return Response(await self._metrics.encode(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _check_admin(self, request: Request) -> None:
        self._keys.check_admin(await self._authenticate(request))

    async def _read_quota(self, request: Request) -> Response:
        owner = await self._authenticate(request)
        usage = await self._admission.usage(owner)
        return JSONResponse(quota(self._keys.limits_of(owner), usage, time.time()))

    async def _read_api(self, _: Request) -> Response:
        if not self._api:
            self._api = msgspec.json.encode(describe_api(PREFIXES, MESSAGES))
        return Response(self._api, media_type="application/json")


async def _read_health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _open_issued_keys(settings: Settings) -> IssuedKeys | None:
    if not settings.master_key:
        return None
    records = KeyRecords(open_documents(settings.turns, "keys"))
    return IssuedKeys(MasterKey(settings.master_key), records)


def _open_tracing(settings: TelemetrySettings) -> list["Tracing"]:
    """Return the traces, which need a package of their own; [] without them."""
    if settings.traces == "off":
        return []
    with needs_extra("otel", " or set --traces off"):
        from headrace.telemetry.tracing import Tracing
    return [Tracing(contents=settings.trace_contents)]


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


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _defect(error: Exception, request_id: str) -> HeadraceError:
    """Return what the client learns of a defect: an id that is in the server log as well."""
    error.add_note(f"request id {request_id}")
    return HeadraceError(f"internal server error; see the server log, request id {request_id}")
