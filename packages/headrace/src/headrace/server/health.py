"""`/healthz` and `/readyz`: may this server be restarted, and should it get requests?

`/healthz` is 200 as long as the event loop responds, during a shutdown too: an orchestrator that restarts
what is not healthy must not do so in the midst of one. `/readyz` is 503 while other servers should get the
requests. Neither needs an API key, or reveals names or addresses.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headrace.errors import HeadraceError
from headrace.models import Model, ModelRegistry

__all__ = ["Health"]

_TIMEOUT: Final = 1.0  # seconds for the checks of all models
_MAX_AGE: Final = 2.0  # seconds for which a check is valid, so that probes cost nothing


class Health:
    """The state of a server, for load balancers and orchestrators.

    Args:
        models: ready if one of them can generate.
        store_error: returns why resumable turns cannot be started; "" if they can.
        store_errors: returns why each shard of the store is unavailable; "" if it is not.
    """

    def __init__(
        self, models: ModelRegistry, store_error: Callable[[], str], store_errors: Callable[[], Sequence[str]]
    ) -> None:
        self.is_leaving = False
        """Whether the server is shutting down."""
        self._models = models
        self._store_error = store_error
        self._store_errors = store_errors
        self._check: asyncio.Task[bool] | None = None
        self._next_check = 0.0
        self.routes = [Route("/healthz", self._healthz), Route("/readyz", self._readyz)]

    async def _healthz(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _readyz(self, _: Request) -> Response:
        reason = await self._reason()
        errors = self._store_errors()
        shards = {"shards": [error or "ok" for error in errors]} if len(errors) > 1 else {}
        if reason:
            state = {"status": "unavailable", "reason": reason, **shards}
            return JSONResponse(state, 503, {"retry-after": "1"})
        return JSONResponse({"status": "ok", **shards})

    async def _reason(self) -> str:
        """Return why other servers should get the requests; "" if there is no reason."""
        if self.is_leaving:
            return "the server is shutting down"
        if failure := self._store_error():
            return failure
        return "" if await self._has_model() else "no model can generate: their servers are unavailable"

    async def _has_model(self) -> bool:
        loop = asyncio.get_running_loop()
        if self._check is None or (self._check.done() and loop.time() >= self._next_check):
            self._next_check = loop.time() + _MAX_AGE
            self._check = asyncio.create_task(_any_generates(self._models.models), name="readiness")
        return await asyncio.shield(self._check)


async def _any_generates(models: tuple[Model, ...]) -> bool:
    """Return whether one of the models can generate, as soon as that is known."""
    checks = [asyncio.create_task(_can_generate(model), name="model check") for model in models]
    try:
        for check in asyncio.as_completed(checks):
            if await check:
                return True
    finally:
        for task in checks:
            task.cancel()
    return not checks


async def _can_generate(model: Model) -> bool:
    try:
        async with asyncio.timeout(_TIMEOUT):
            await model.engine.check()
    except (HeadraceError, TimeoutError):
        return False
    return True
