"""The `headrace` program."""

import sys
from collections.abc import Sequence

from headrace import __version__
from headrace.cli import parse, record, serve
from headrace.cli.parser import CommandParser
from headrace.errors import HeadraceError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status: 0 done, 1 failed, 2 used wrongly."""
    parser = CommandParser(prog="headrace", description="Z.ai's streaming chat completions, at home.")
    parser.add_argument("--version", action="version", version=f"headrace {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (serve, record, parse):
        command.add_parser(commands)
    chosen = parser.parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
    except HeadraceError as error:
        print(f"headrace: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status
