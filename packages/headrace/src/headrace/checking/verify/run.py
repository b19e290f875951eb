"""Sends the samples to an endpoint."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from headrace.checking.answer import Answer
from headrace.checking.api import CHAT
from headrace.checking.endpoint import Endpoint, Request
from headrace.checking.plan import plain_request
from headrace.checking.probe import probe
from headrace.checking.verify.outcome import Outcome, outcome_of
from headrace.checking.verify.samples import Sample, digest_of
from headrace.errors import UnreachableError

__all__ = ["VerifyRun", "verify"]

_DEFAULTS: Final = {"temperature": 0, "max_tokens": 1024, "stream_options": {"include_usage": True}}


class VerifyRun(msgspec.Struct, kw_only=True):
    """The outcomes of all samples at an endpoint."""

    url: str
    model: str
    samples: str
    """The digest of the samples: only runs of the same ones can be compared."""
    outcomes: list[Outcome]


async def verify(
    endpoint: Endpoint,
    url: str,
    model: str,
    samples: list[Sample],
    *,
    concurrency: int = 4,
    progress: Callable[[int], None] = lambda _: None,
) -> VerifyRun:
    """Send each sample once, as a stream; `progress` gets the number of answers so far.

    Fields that a sample lacks are a temperature of 0 and at most 1024 tokens.

    Raises:
        UnreachableError: the endpoint does not respond, or does not offer chat completions by the model.
    """
    if reason := await probe(endpoint, url, plain_request(CHAT, model), model):
        raise UnreachableError(f"{url} cannot be checked: {reason}")
    slots = asyncio.Semaphore(concurrency)
    count = 0

    async def send(sample: Sample) -> Outcome:
        nonlocal count
        body = msgspec.json.encode({**_DEFAULTS, **sample.request, "model": model, "stream": True})
        async with slots:
            response = await endpoint.send(Request(body=body))
        count += 1
        progress(count)
        return outcome_of(sample, Answer(response, is_stream=True))

    outcomes = await asyncio.gather(*map(send, samples))
    return VerifyRun(url=url, model=model, samples=digest_of(samples), outcomes=outcomes)
