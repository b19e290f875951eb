"""Sends the samples to an endpoint."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from headrace.checking.answer import Answer
from headrace.checking.endpoint import Endpoint, Request, find_absence
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
        UnreachableError: the endpoint responds to no request, or does not offer chat completions.
    """
    slots = asyncio.Semaphore(concurrency)
    count = 0

    async def send(sample: Sample) -> Answer:
        nonlocal count
        body = msgspec.json.encode({**_DEFAULTS, **sample.request, "model": model, "stream": True})
        async with slots:
            response = await endpoint.send(Request(body=body))
        count += 1
        progress(count)
        return Answer(response, is_stream=True)

    answers = await asyncio.gather(*map(send, samples))
    absences = [find_absence(answer.response) for answer in answers]
    if all(absences):
        raise UnreachableError(f"{url} cannot be checked: {absences[0]}")
    outcomes = list(map(outcome_of, samples, answers))
    return VerifyRun(url=url, model=model, samples=digest_of(samples), outcomes=outcomes)
