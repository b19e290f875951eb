"""`headrace parse`: what a model's raw output says, as JSON lines."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from headrace.chunks import merge
from headrace.errors import RequestError
from headrace.events import Event
from headrace.files import reading
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.wire.request import Tool

__all__ = ["add_parser", "describe"]


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "parse",
        description="Read the raw output of a model, markup included, from the standard input and print the"
        " events that it means, one JSON object a line.",
    )
    families = f"family of the model: {', '.join(FORMATS)}"
    parser.add_argument("--format", metavar="FAMILY", choices=FORMATS, required=True, help=families)
    parser.add_argument(
        "--tools",
        metavar="FILE",
        type=Path,
        help="JSON file with the request's tools (default: none, so the markup of calls is text)",
    )
    parser.add_argument(
        "--every",
        metavar="N",
        type=_positive,
        help="read in pieces of N characters and print the events of each (default: read everything at once)",
    )
    parser.add_argument(
        "--no-thinking",
        action="store_true",
        help="read the answer to a prompt that turned thinking off (default: thinking is on)",
    )
    parser.add_argument(
        "--no-tool-stream",
        action="store_true",
        help="print each tool call as a whole (default: print its arguments as they come)",
    )
    parser.set_defaults(run=_parse)


def describe(event: Event) -> dict[str, Any]:
    """An event for people: its kind and its fields by name."""
    return {"event": type(event).__name__, **msgspec.structs.asdict(event)}


def _parse(arguments: argparse.Namespace) -> int:
    parser = OutputParser(
        FORMATS[arguments.format],
        _read_tools(arguments.tools) if arguments.tools else None,
        thinking=not arguments.no_thinking,
        tool_stream=not arguments.no_tool_stream,
    )
    text = sys.stdin.buffer.read().decode("utf-8", "replace")
    every = arguments.every or max(len(text), 1)
    events = _events(parser, (text[start : start + every] for start in range(0, len(text), every)))
    for event in events if arguments.every else merge(events):
        sys.stdout.buffer.write(msgspec.json.encode(describe(event)) + b"\n")  # JSON is UTF-8 everywhere
    return 0


def _events(parser: OutputParser, pieces: Iterator[str]) -> Iterator[Event]:
    for piece in pieces:
        yield from parser.feed(piece)
    yield from parser.finish()


def _read_tools(path: Path) -> Mapping[str, Mapping[str, Any] | None]:
    with reading("--tools", path, RequestError):
        encoded = path.read_bytes()
    try:
        tools = msgspec.json.decode(encoded, type=list[Tool])
    except msgspec.DecodeError as error:
        msg = f'--tools {path}: {error}; a list as in a request is expected: [{{"type": "function", …}}]'
        raise RequestError(msg) from None
    return {tool.function.name: tool.function.parameters for tool in tools}


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        msg = f"{text!r} is not a whole number above 0"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
