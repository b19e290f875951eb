"""`headrace check --verify`: how well the model of an endpoint calls tools."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from headrace.checking import HttpEndpoint, find_model
from headrace.checking.verify import SHIPPED, Sample, VerifyRun, read_samples, verify
from headrace.checking.verify.figures import agreement_of, expected_of, figures_of, reference_of
from headrace.checking.verify.report import decode_run, encode_json, encode_text
from headrace.errors import RequestError

__all__ = ["run"]

_BUILT_IN: Final = "built-in"
_CONCURRENCY: Final = 4
_OF_RULES: Final = ("only", "runs", "junit", "html")


def run(arguments: argparse.Namespace, key: str) -> int:
    """Send the samples and print the figures; return the exit status."""
    for name in _OF_RULES:
        if getattr(arguments, name):
            raise RequestError(f"--{name} has no effect with --verify; leave it out")
    samples = read_samples(SHIPPED if arguments.verify == _BUILT_IN else Path(arguments.verify))
    expected = {"expected": expected_of(samples)}
    if arguments.reference:
        expected["reference"] = reference_of(samples, decode_run(arguments.reference))
    done = asyncio.run(_send(arguments, key, samples))
    agreements = {name: agreement_of(done.outcomes, called) for name, called in expected.items()}
    figures = figures_of(done)
    print((encode_json if arguments.json else encode_text)(done, figures, agreements), end="")
    return int(figures.failed > 0)


async def _send(arguments: argparse.Namespace, key: str, samples: list[Sample]) -> VerifyRun:
    endpoint = HttpEndpoint(arguments.url, key, arguments.timeout)
    model = arguments.model or await find_model(endpoint)

    def show(count: int) -> None:
        if sys.stderr.isatty():
            end = "" if count < len(samples) else "\n"
            print(f"\r{count} of {len(samples)} answers", end=end, file=sys.stderr)

    concurrency = arguments.concurrency or _CONCURRENCY
    return await verify(endpoint, arguments.url, model, samples, concurrency=concurrency, progress=show)
