"""Sends the requests of a run: by slots (closed loop) or by a schedule (open loop).

    0            warmup                       warmup + duration        the last measured request ends
    │  warm-up   │  planned here: measured    │  load stays, unmeasured │

The load is the same before, during and after the measurement: slots pass from warm-up to measurement without
draining, and the last measured requests run beside others. The event loop's own lateness is measured by a
timer, since whatever delays a timer also delays the reading of responses.
"""

import asyncio
import math
import random
import re
import secrets
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Final

import msgspec

from headrace.benchmarking.meter import Meter
from headrace.benchmarking.prompts import (
    BUILT_IN,
    NONCE_LENGTH,
    PromptSet,
    begin_with,
    make_prompt,
    make_request,
)
from headrace.benchmarking.run import Progress, Run, Settings
from headrace.benchmarking.sample import REFUSALS, Sample
from headrace.checking.endpoint import Endpoint, Request, Response
from headrace.checking.probe import probe
from headrace.errors import UnreachableError

__all__ = ["bench", "require_answer"]

_TICK: Final = 0.005  # seconds between measurements of the event loop's lateness
_PROGRESS_INTERVAL: Final = 0.5  # seconds
_RECENT: Final = 100  # requests
_MAX_RETRY_DELAY: Final = 8.0  # seconds, unless the endpoint names a longer one
_FAILURE_PAUSE: Final = 0.1  # seconds in which a slot is empty; else attempts would fill the run
_CANCEL_AFTER: Final = 3  # pieces of the body: the first ones often have no delta


async def bench(
    endpoint: Endpoint,
    url: str,
    settings: Settings,
    *,
    prompts: PromptSet = BUILT_IN,
    nonce: str = "",
    observe: Callable[[Progress], None] = lambda _: None,
) -> Run:
    """Put an endpoint under load and measure it.

    Args:
        endpoint: where the requests are sent.
        url: its name in the report.
        settings: the load; either `concurrency` or `rate` is above 0.
        prompts: those of the requests.
        nonce: that of the run; "" makes one.
        observe: called every half second.

    Raises:
        RequestError: the URL or the key contains a character that HTTP forbids.
        UnreachableError: the endpoint does not respond to the first request, which is not measured, does
            not offer the API, or does not serve the model.
    """
    await require_answer(endpoint, url, settings, prompts)
    load = _Load(endpoint, settings, prompts, nonce or secrets.token_hex(8))
    await load.run(observe)
    template = begin_with("<nonce>", prompts.prompts[0])
    request = make_request(settings.api, settings.model, template, settings.max_tokens).body.decode()
    return Run(
        url=url,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        nonce=load.nonce,
        settings=msgspec.structs.replace(settings, prompts=prompts.name, request=request),
        samples=sorted(load.samples, key=lambda sample: sample.planned),
        lags=load.lags,
        backlog=load.backlog,
        cpu=load.cpu,
    )


async def require_answer(endpoint: Endpoint, url: str, settings: Settings, prompts: PromptSet) -> None:
    """Send a request that is not measured.

    Raises:
        UnreachableError: there is no response, or no other request can succeed.
    """
    prompt = begin_with(secrets.token_hex(NONCE_LENGTH // 2), prompts.prompts[0])
    request = make_request(settings.api, settings.model, prompt, settings.max_tokens)
    if reason := await probe(endpoint, url, request, settings.model):
        raise UnreachableError(f"{url} cannot be measured: {reason}")


class _Load:
    """The requests of a run."""

    def __init__(self, endpoint: Endpoint, settings: Settings, prompts: PromptSet, nonce: str) -> None:
        self.nonce = nonce
        self.samples: list[Sample] = []
        self.lags: list[float] = []
        self.backlog = 0
        self.cpu = 0.0
        self._endpoint = endpoint
        self._settings = settings
        self._prompts = prompts
        self._chance = random.Random(settings.seed)  # noqa: S311
        self._numbers = count()
        self._is_over = False
        self._errors: list[BaseException | None] = []
        self._running: dict[asyncio.Task[None], float] = {}
        self._ended = self._failed = 0
        self._recent: deque[float] = deque(maxlen=_RECENT)  # seconds to the first delta
        self._loop = asyncio.get_running_loop()
        self._start = 0.0  # by the loop's clock

    def _make_request(self, number: int) -> Request:
        """Return a request by its number within the run."""
        settings = self._settings
        prompt = make_prompt(self._prompts, self.nonce, number, is_warm=settings.cache == "warm")
        request = make_request(settings.api, settings.model, prompt, settings.max_tokens)
        if math.floor((number + 1) * settings.cancel) > math.floor(number * settings.cancel):
            return msgspec.structs.replace(request, half_close_after=_CANCEL_AFTER)
        return request

    async def run(self, observe: Callable[[Progress], None]) -> None:
        """Send requests until the measured ones have ended."""
        settings = self._settings
        self._start = self._loop.time()
        source = self._schedule() if settings.rate else self._fill_slots()
        others = [
            asyncio.create_task(each) for each in (source, self._measure_lag(), self._report_to(observe))
        ]
        try:
            await self._wait_until(settings.warmup)
            cpu, since = time.process_time(), self._loop.time()
            await self._wait_until(settings.warmup + settings.duration)
            self.cpu = (time.process_time() - cpu) / (self._loop.time() - since)
            await self._drain()
        finally:
            self._is_over = True
            tasks = [*others, *self._running]
            for task in tasks:
                task.cancel()
            self._errors += await asyncio.gather(*tasks, return_exceptions=True)
        for error in self._errors:
            if isinstance(error, Exception):
                raise error

    async def _drain(self) -> None:
        end = self._loop.time() + self._settings.drain
        while measured := [task for task, at in self._running.items() if self._is_measured(at)]:
            await asyncio.wait(measured, timeout=end - self._loop.time())
            if self._loop.time() >= end:
                break

    async def _schedule(self) -> None:
        """Start requests at random times with the given rate (a Poisson process)."""
        times = random.Random(self._settings.seed)  # noqa: S311
        planned = 0.0
        while True:
            planned += times.expovariate(self._settings.rate)
            await self._wait_until(planned)
            self._send(planned)

    async def _fill_slots(self) -> None:
        """Start the slots one after another during the first half of the warm-up."""
        number = self._settings.concurrency
        for slot in range(number):
            await self._wait_until(self._settings.warmup / 2 * slot / number)
            self._send_next()

    def _send_next(self) -> None:
        self._send(self._now(), then=self._send_next)

    def _send(self, planned: float, then: Callable[[], None] | None = None) -> None:
        task = asyncio.create_task(self._request(planned, next(self._numbers)))
        self._running[task] = planned
        self.backlog = max(self.backlog, len(self._running))
        task.add_done_callback(lambda task: self._end(task, then))

    def _end(self, task: asyncio.Task[None], then: Callable[[], None] | None) -> None:
        self._running.pop(task)
        if not task.cancelled():
            self._errors += filter(None, [task.exception()])
            if then and not self._is_over:
                then()

    async def _request(self, planned: float, number: int) -> None:
        request = self._make_request(number)
        started = self._now() - planned
        try:
            response, meter, retried = await self._attempt(request)
        except asyncio.CancelledError:
            if self._is_measured(planned):
                end = self._now() - planned
                detail = f"not ended {self._settings.drain:g} seconds after the measurement"
                self.samples.append(
                    Sample(planned=planned, started=started, outcome="cancelled", detail=detail, end=end)
                )
            raise
        delay = response.sent - self._start - planned
        self._note(meter.finish(response, planned, started, delay, retried))
        if not response.status or response.status in REFUSALS:
            await asyncio.sleep(_FAILURE_PAUSE)

    async def _attempt(self, request: Request) -> tuple[Response, Meter, tuple[int, ...]]:
        """Return the response, and the statuses of earlier attempts, which were refused or not connected."""
        retried: tuple[int, ...] = ()
        while True:
            meter = Meter(self._settings.api)
            response = await self._endpoint.send(request, meter.feed)
            is_retryable = response.status in REFUSALS or response.cause == "connect"
            if len(retried) == self._settings.retries or not is_retryable:
                return response, meter, retried
            await asyncio.sleep(_retry_delay(response, len(retried)) * self._chance.uniform(1.0, 1.25))
            retried += (response.status,)

    def _note(self, sample: Sample) -> None:
        self._ended += 1
        if sample.outcome == "success":
            self._recent.append(sample.firsts["delta"])
        elif sample.cancel_latency is None:
            self._failed += 1
        if self._is_measured(sample.planned):
            self.samples.append(sample)

    async def _measure_lag(self) -> None:
        await self._wait_until(self._settings.warmup)
        while True:
            due = time.monotonic() + _TICK
            await asyncio.sleep(_TICK)
            self.lags.append(max(0.0, time.monotonic() - due))

    async def _report_to(self, observe: Callable[[Progress], None]) -> None:
        length = self._settings.warmup + self._settings.duration
        while True:
            first = sum(self._recent) / len(self._recent) if self._recent else None
            done = min(1.0, self._now() / length)
            counts = (len(self._running), self._ended, self._failed)
            observe(Progress(self._settings.loop, done, *counts, first))
            await asyncio.sleep(_PROGRESS_INTERVAL)

    def _is_measured(self, planned: float) -> bool:
        return 0 <= planned - self._settings.warmup < self._settings.duration

    def _now(self) -> float:
        return self._loop.time() - self._start

    async def _wait_until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._now()))


def _retry_delay(response: Response, attempts: int) -> float:
    """Return the seconds to wait: those of Retry-After, or half a second that doubles with each attempt."""
    after = response.headers.get("retry-after", "")
    if re.fullmatch("[0-9]{1,5}", after):
        return float(after)
    return float(min(_MAX_RETRY_DELAY, 0.5 * 2**attempts))
