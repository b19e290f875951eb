"""The `headrace` program. A command is imported only when it runs, because each needs other packages."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple

from headrace import __version__
from headrace.cli import streams
from headrace.errors import HeadraceError
from headrace.foreign_errors import needs_extra

__all__ = ["COMMANDS", "CommandParser", "main"]


class CommandParser(argparse.ArgumentParser):
    """A parser that accepts no abbreviations and reports unknown options itself instead of its parent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse the arguments; exit with status 2 if one is unknown."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            option = unknown[0].partition("=")[0]
            close = difflib.get_close_matches(option, self._option_string_actions, 1)
            self.error(f"unknown argument {option}" + (f"; did you mean {close[0]}?" if close else ""))
        return known, unknown


class _Command(NamedTuple):
    summary: str
    extra: str
    """The extra that contains the packages that the command imports."""


COMMANDS: Final = {
    "serve": _Command("serve the API", "server"),
    "record": _Command("record the responses of a server", "server,upstream"),
    "parse": _Command("parse the raw output of a model", ""),
}
"""The commands by name, each a module of this package."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 success, 1 failure, 2 usage error, 130 interrupted."""
    words = sys.argv[1:] if arguments is None else arguments
    return streams.run(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    parser = CommandParser(
        prog="headrace", description="Serve Z.ai's streaming chat-completions API on your own hardware."
    )
    parser.add_argument("--version", action="version", version=f"headrace {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    named = next((word for word in words if not word.startswith("-")), "")
    try:
        for name, (summary, extra) in COMMANDS.items():
            if name == named:
                with needs_extra(extra):
                    import_module(f"headrace.cli.{name}").add_parser(commands)
            else:
                commands.add_parser(name, help=summary)
        chosen = parser.parse_args(words)
        status: int = chosen.run(chosen)
    except HeadraceError as error:
        print(f"headrace: {error.message}", file=sys.stderr)
        return 1
    return status
