"""`headrace bench`: the speed of an endpoint under a planned load, and the comparison of two runs."""

import argparse
import asyncio
import gc
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.benchmarking import (
    Progress,
    Run,
    Settings,
    Target,
    added_delays,
    bench_series,
    compare,
    summarize,
)
from headrace.benchmarking.compare import differing_fields
from headrace.benchmarking.page import encode_html
from headrace.benchmarking.prompts import BUILT_IN, read_prompts
from headrace.benchmarking.report import (
    Measured,
    Report,
    decode_runs,
    difference_table,
    encode_json,
    encode_table,
    encode_text,
)
from headrace.benchmarking.series import INTERRUPTED
from headrace.checking import HttpEndpoint, find_model
from headrace.cli.bench_options import add_options
from headrace.cli.check import read_key
from headrace.cli.progress import show_progress
from headrace.errors import HeadraceError, RequestError
from headrace.visible import make_visible

__all__ = ["add_parser"]

_USAGE: Final = 2
_NOT_MEASURED: Final = 3
_NOT_VALID: Final = 4
_INTERRUPTED: Final = 130
_COMPARE: Final = "compare"
_OF_COMPARE: Final = ("words", "force", "run")


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "bench",
        description="Put an endpoint that is compatible with Z.ai's or OpenAI's API under load and measure"
        " its streams; or compare two reports. Exit status: 0 if enough requests are good (see --slo), 1 if"
        " not, 2 for a usage error or runs that are not comparable, 3 if the endpoint does not respond, 4 if"
        " the run is not valid because the client was too busy.",
    )
    add_options(parser)
    parser.set_defaults(run=partial(_run, parser))


def _run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    is_comparison = arguments.words[0] == _COMPARE
    if is_comparison and len(arguments.words) < 3:
        parser.error("compare needs two files of --json")
    for name, value in vars(arguments).items() if is_comparison else ():
        if name not in _OF_COMPARE and value != parser.get_default(name):
            parser.error(f"--{name.replace('_', '-')} has no effect with compare; leave it out")
    if arguments.seed and not (any(arguments.rate) or arguments.retries):
        parser.error(f"--seed {arguments.seed} has no effect without --rate or --retries; leave it out")
    if extra := arguments.words[3 if is_comparison else 1 :]:
        parser.error(f"unknown argument {extra[0]}")
    if arguments.force and not is_comparison:
        parser.error("--force is an option of compare")
    if arguments.cancel and any(url.lower().startswith("https") for url in (*arguments.words, arguments.via)):
        parser.error("--cancel needs http://, since a TLS connection cannot be closed by half")
    if arguments.via == arguments.words[0]:
        parser.error("--via names the same endpoint as URL")
    try:
        return _compare(arguments) if is_comparison else _bench(arguments)
    except HeadraceError as error:
        print(f"headrace: {make_visible(error.message)}", file=sys.stderr)
        return _USAGE if isinstance(error, RequestError) else _NOT_MEASURED


def _compare(arguments: argparse.Namespace) -> int:
    before, after = (decode_runs(Path(name)) for name in arguments.words[1:])
    if len(before) != len(after):
        raise RequestError(f"the reports are not comparable; they have {len(before)} and {len(after)} runs")
    tables = [compare(*pair, is_forced=arguments.force) for pair in zip(before, after, strict=True)]
    for first, second, differences in zip(before, after, tables, strict=True):
        if len(tables) > 1:
            print(make_visible(f"{first.settings.loop}: {first.url}"))
        for field in differing_fields(first, second):
            print(make_visible(f"differs: {field}"))
        print(encode_table(difference_table(differences)), end="")
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    # A full collection during a run would traverse all modules, and hold every stream for 30 ms.
    gc.freeze()
    try:
        with show_progress() as observe:
            runs, failure = asyncio.run(_measure(arguments, observe))
    finally:
        gc.unfreeze()
    report = Report(
        [Measured(run, summarize(run, arguments.slo, arguments.max_lag)) for run in runs],
        added_delays(runs),
        failure,
    )
    print((encode_json if arguments.json else encode_text)(report), end="")
    if arguments.report:
        try:
            arguments.report.write_text(encode_html(report), "utf-8")
        except OSError as error:
            raise RequestError(f"--report: cannot write {arguments.report}: {error.strerror}") from None
    summaries = [measured.summary for measured in report.runs]
    if failure:
        return _INTERRUPTED if failure == INTERRUPTED else _NOT_MEASURED
    if any(summary.invalid for summary in summaries):
        return _NOT_VALID
    return int(any(not each.requests or each.good_share < arguments.slo.share for each in summaries))


async def _measure(
    arguments: argparse.Namespace, observe: Callable[[Progress], None]
) -> tuple[list[Run], str]:
    """Return the runs, and why later ones are missing."""
    key = read_key(arguments.key_env)
    urls = [*arguments.words, *filter(None, [arguments.via])]
    targets = [Target(url, HttpEndpoint(url, key, arguments.timeout)) for url in urls]
    prompts = read_prompts(arguments.prompts) if arguments.prompts else BUILT_IN
    settings = Settings(
        model=arguments.model or await find_model(targets[0].endpoint),
        api=arguments.api,
        duration=arguments.duration,
        warmup=arguments.warmup,
        drain=arguments.drain,
        max_tokens=arguments.output_tokens,
        cache=arguments.cache,
        seed=arguments.seed,
        retries=arguments.retries,
        cancel=arguments.cancel,
    )
    name, values = ("rate", arguments.rate) if arguments.rate else ("concurrency", arguments.concurrency)
    levels = [msgspec.structs.replace(settings, **{name: value}) for value in values]
    return await bench_series(targets, levels, prompts, observe)
