"""`headrace check`: whether an endpoint's streams are correct."""

import argparse
import asyncio
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from headrace.checking import HttpEndpoint, Report, check
from headrace.checking.page import encode_html
from headrace.checking.report import encode_json, encode_junit, encode_text
from headrace.errors import HeadraceError, RequestError
from headrace.foreign_errors import needs_extra
from headrace.visible import make_visible

__all__ = ["add_parser", "count", "read_key"]

_USAGE: Final = 2
_NOT_CHECKED: Final = 3
_RUNS: Final = 3
_OF_VERIFY: Final = ("reference", "concurrency")
_FILES: Final[dict[str, Callable[[Report], str]]] = {"junit": encode_junit, "html": encode_html}


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "check",
        description="Send a planned set of requests to an endpoint that is compatible with Z.ai's, OpenAI's"
        " or Anthropic's API, and judge the responses by rules; or count how well its model calls tools"
        " (--verify). Exit status: 0 if no rule is broken, or every sample is answered, 1 if one is not, even"
        " if only sometimes, 2 for a usage error, 3 if the endpoint could not be checked.",
    )
    text = "name of the environment variable that contains the API key (default: no key is sent)"
    parser.add_argument("--key-env", metavar="VARIABLE", default="", help=text)
    text = "model of the requests (default: the first one that the endpoint lists)"
    parser.add_argument("--model", metavar="NAME", default="", help=text)
    text = "judge only this rule; can be repeated (default: all rules)"
    parser.add_argument("--only", metavar="RULE", action="append", default=[], help=text)
    text = "how often each request is sent whose answer depends on chance (default: 3)"
    parser.add_argument("--runs", metavar="N", type=count, help=text)
    text = "seconds in which a response has to end (default: %(default)s)"
    parser.add_argument("--timeout", metavar="SECONDS", type=count, default=120, help=text)
    text = "print the report as JSON (default: as a table)"
    parser.add_argument("--json", action="store_true", help=text)
    for name, what in (("junit", "JUnit's XML"), ("html", "a page of HTML")):
        text = f"also write the report to this file, as {what} (default: no file)"
        parser.add_argument(f"--{name}", metavar="FILE", type=Path, help=text)
    text = (
        "send the requests of this file, one JSON object a line, and count how often the model calls the"
        " right tool, with arguments that obey its schema; built-in stands for the 200 requests of"
        " this package (default: the rules are judged)"
    )
    parser.add_argument("--verify", metavar="FILE", help=text)
    text = "with --verify: compare with this run, an output of --verify --json (default: with none)"
    parser.add_argument("--reference", metavar="FILE", type=Path, help=text)
    text = "with --verify: requests at once (default: 4)"
    parser.add_argument("--concurrency", metavar="N", type=count, help=text)
    parser.add_argument("url", metavar="URL", help="base URL of the endpoint, such as http://gpu1:8000/v1")
    parser.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    try:
        if arguments.verify is not None:
            with needs_extra("verify"):
                from headrace.cli import verify
            return verify.run(arguments, read_key(arguments.key_env))
        for name in _OF_VERIFY:
            if getattr(arguments, name):
                raise RequestError(f"--{name} needs --verify")
        if arguments.html and arguments.html == arguments.junit:
            raise RequestError(f"--html and --junit name the same file, {arguments.html}")
        report = asyncio.run(_run(arguments))
    except HeadraceError as error:
        print(f"headrace: {make_visible(error.message)}", file=sys.stderr)
        return _USAGE if isinstance(error, RequestError) else _NOT_CHECKED
    print((encode_json if arguments.json else encode_text)(report), end="")
    for name, encode in _FILES.items():
        if path := getattr(arguments, name):
            try:
                path.write_text(encode(report), "utf-8")
            except OSError as error:
                print(f"headrace: --{name}: cannot write {path}: {error.strerror}", file=sys.stderr)
                return _USAGE
    return int(report.is_broken)


async def _run(arguments: argparse.Namespace) -> Report:
    key = read_key(arguments.key_env)
    return await check(
        HttpEndpoint(arguments.url, key, arguments.timeout),
        arguments.url,
        model=arguments.model,
        only=arguments.only,
        runs=arguments.runs or _RUNS,
        has_key=bool(key),
    )


def read_key(variable: str) -> str:
    """Return the API key that an environment variable contains; "" without a variable."""
    key = os.environ.get(variable, "") if variable else ""
    if variable and not key:
        raise RequestError(f"--key-env: the environment variable {variable} is not set")
    return key


def count(text: str) -> int:
    """Parse an integer above 0."""
    if not re.fullmatch("[0-9]{1,6}", text) or not int(text):
        msg = f"{text!r} is not an integer above 0"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
