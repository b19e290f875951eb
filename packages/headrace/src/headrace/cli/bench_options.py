"""The options of `headrace bench`."""

import argparse
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from headrace.benchmarking import Slo
from headrace.benchmarking.apis import APIS
from headrace.cli.check import count

__all__ = ["add_options"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options: what is measured, the load, the requests, the report."""
    _add_endpoints(parser)
    _add_load(parser)
    _add_requests(parser)
    _add_report(parser)


def _add_endpoints(parser: argparse.ArgumentParser) -> None:
    text = "name of the environment variable that contains the API key (default: no key is sent)"
    parser.add_argument("--key-env", metavar="VARIABLE", default="", help=text)
    text = "model of the requests (default: the first one that the endpoint lists)"
    parser.add_argument("--model", metavar="NAME", default="", help=text)
    text = "the API: chat completions, Messages or Responses (default: %(default)s)"
    parser.add_argument("--api", metavar="API", choices=list(APIS), default="chat", help=text)
    text = (
        "a second endpoint, such as a gateway in front of the first: both get the same load in turns, and"
        " the delay that it adds is printed (default: none)"
    )
    parser.add_argument("--via", metavar="URL", default="", help=text)


def _add_load(parser: argparse.ArgumentParser) -> None:
    load = parser.add_mutually_exclusive_group()
    text = (
        "closed loop: requests at once; several numbers, such as 1,2,4,8, are measured in turn (default: 1)"
    )
    load.add_argument("--concurrency", metavar="N", type=partial(_list, count), default=[1], help=text)
    text = (
        "open loop: requests per second on average, at random times; several, such as 1,2,4, are measured in"
        " turn (default: closed loop)"
    )
    load.add_argument("--rate", metavar="NUMBER", type=partial(_list, _positive), default=[], help=text)
    for name, default, what in (
        ("duration", 30, "seconds in which requests are measured"),
        ("warmup", 5, "seconds of load before the measurement"),
        ("drain", 60, "seconds in which measured requests may end afterwards"),
        ("max-lag", 0.02, "seconds by which the client may send or read late at the 99th percentile"),
    ):
        text = f"{what} (default: {default})"
        parser.add_argument(f"--{name}", metavar="SECONDS", type=_positive, default=default, help=text)


def _add_requests(parser: argparse.ArgumentParser) -> None:
    text = "seconds in which a response has to end (default: no limit)"
    parser.add_argument("--timeout", metavar="SECONDS", type=_positive, default=math.inf, help=text)
    text = "limit of tokens of an answer (default: %(default)s)"
    parser.add_argument("--output-tokens", metavar="N", type=count, default=128, help=text)
    text = (
        "file of prompts in JSON Lines, with a prompt or messages in each line, which are used in turn"
        " (default: a set in English and Chinese)"
    )
    parser.add_argument("--prompts", metavar="FILE", type=Path, help=text)
    text = "cold: each prompt is new; warm: prompts repeat, so that prefix caches work (default: %(default)s)"
    parser.add_argument("--cache", metavar="STATE", choices=["cold", "warm"], default="cold", help=text)
    text = "seed of the random times of --rate (default: %(default)s)"
    parser.add_argument("--seed", metavar="N", type=int, default=0, help=text)
    text = (
        "how often a request is sent again that was refused or not connected; times count from its planned"
        " start (default: %(default)s)"
    )
    parser.add_argument("--retries", metavar="N", type=_natural, default=0, help=text)
    text = (
        "share of the requests that the client cancels, to measure how soon the endpoint notices"
        " (default: %(default)s)"
    )
    parser.add_argument("--cancel", metavar="SHARE", type=_share, default=0.0, help=text)


def _add_report(parser: argparse.ArgumentParser) -> None:
    text = (
        "bounds of a good request, in seconds, and the share that has to be good: ttft, gap_p99, stall,"
        " total, share, such as ttft=2,gap_p99=0.2,share=0.99 (default: every request has to be successful)"
    )
    parser.add_argument("--slo", metavar="BOUNDS", type=_slo, default=Slo(), help=text)
    text = "print the report as JSON, for compare (default: as a table)"
    parser.add_argument("--json", action="store_true", help=text)
    text = "also write the report to this file, as a page of HTML (default: no file)"
    parser.add_argument("--report", metavar="FILE", type=Path, help=text)
    text = "compare reports although their settings differ (default: they are refused)"
    parser.add_argument("--force", action="store_true", help=text)
    text = "base URL of the endpoint, such as http://gpu1:8000/v1; or compare and two files of --json"
    parser.add_argument("words", metavar="URL", nargs="+", help=text)


def _slo(text: str) -> Slo:
    parts = text.split(",")
    fields = dict(part.partition("=")[::2] for part in parts)
    if len(fields) < len(parts):
        msg = f"{text!r} has a bound twice"
        raise argparse.ArgumentTypeError(msg)
    try:
        slo = msgspec.convert({name: float(value) for name, value in fields.items()}, Slo)
    except (ValueError, msgspec.ValidationError):
        names = ", ".join(Slo.__struct_fields__)
        msg = f"{text!r} is not such as ttft=2,gap_p99=0.2; the names are {names}"
        raise argparse.ArgumentTypeError(msg) from None
    if not all(getattr(slo, name) > 0 for name in Slo.__struct_fields__) or slo.share > 1:
        msg = f"{text!r} has a bound that is not above 0, or a share above 1"
        raise argparse.ArgumentTypeError(msg)
    return slo


def _list(parse: Callable[[str], Any], text: str) -> list[Any]:
    return [parse(part) for part in text.split(",")]


def _natural(text: str) -> int:
    return 0 if text == "0" else count(text)


def _share(text: str) -> float:
    value = _positive(text)
    if value > 1:
        msg = f"{text!r} is above 1"
        raise argparse.ArgumentTypeError(msg)
    return value


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        msg = f"{text!r} is not a number above 0"
        raise argparse.ArgumentTypeError(msg)
    return value
