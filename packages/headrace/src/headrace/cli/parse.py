"""`headrace parse`: the events of a model's raw output as JSON lines."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from headrace.chunks import merge
from headrace.errors import RequestError
from headrace.events import Event
from headrace.foreign_errors import reading
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.visible import make_visible
from headrace.wire.request import Tool

__all__ = ["add_parser", "describe"]


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "parse",
        description="Parse the raw output of a model, markup included, from the standard input and print the"
        " resulting events, one JSON object per line.",
    )
    families = f"model family: {', '.join(FORMATS)}"
    parser.add_argument("--format", metavar="FAMILY", choices=FORMATS, required=True, help=families)
    parser.add_argument(
        "--tools",
        metavar="FILE",
        type=Path,
        help="JSON file with the tools of the request (default: none, so markup of tool calls is text)",
    )
    parser.add_argument(
        "--chunk-size",
        metavar="CHARACTERS",
        type=_positive,
        help="parse the input in chunks of this size and print the events of each chunk (default: the whole"
        " input is one chunk)",
    )
    parser.add_argument(
        "--no-thinking",
        action="store_true",
        help="parse the output of a prompt with thinking disabled (default: thinking is enabled)",
    )
    parser.add_argument(
        "--no-tool-stream",
        action="store_true",
        help="print each tool call in one event (default: arguments are printed incrementally)",
    )
    parser.set_defaults(run=_parse)


def describe(event: Event) -> dict[str, Any]:
    """Return an event as a JSON object: its type and its fields."""
    return {"event": type(event).__name__, **msgspec.structs.asdict(event)}


def _parse(arguments: argparse.Namespace) -> int:
    parser = OutputParser(
        FORMATS[arguments.format],
        _read_tools(arguments.tools) if arguments.tools else None,
        thinking=not arguments.no_thinking,
        tool_stream=not arguments.no_tool_stream,
    )
    text = sys.stdin.buffer.read().decode("utf-8", "replace")
    size = arguments.chunk_size or max(len(text), 1)
    events = _events(parser, (text[start : start + size] for start in range(0, len(text), size)))
    for event in events if arguments.chunk_size else merge(events):
        line = make_visible(msgspec.json.encode(describe(event)).decode()) + "\n"
        sys.stdout.buffer.write(line.encode())  # JSON is UTF-8 in every locale
    return 0


def _events(parser: OutputParser, chunks: Iterator[str]) -> Iterator[Event]:
    for chunk in chunks:
        yield from parser.feed(chunk)
    yield from parser.finish()


def _read_tools(path: Path) -> Mapping[str, Mapping[str, Any] | None]:
    with reading("--tools", path, RequestError):
        encoded = path.read_bytes()
    try:
        tools = msgspec.json.decode(encoded, type=list[Tool])
    except msgspec.DecodeError as error:
        msg = f'--tools {path}: {error}; expected the list `tools` of a request: [{{"type": "function", …}}]'
        raise RequestError(msg) from None
    return {tool.function.name: tool.function.parameters for tool in tools}


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        msg = f"{text!r} is not an integer above 0"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
