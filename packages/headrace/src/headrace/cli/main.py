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
from headrace.visible import make_visible

__all__ = ["COMMANDS", "CommandParser", "main"]


class _Store(argparse.Action):
    """Sets an option, at most once."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        if option_string and getattr(namespace, self.dest) is not self.default:
            parser.error(f"{option_string} is set twice")
        setattr(namespace, self.dest, values)


class CommandParser(argparse.ArgumentParser):
    """A parser that accepts no abbreviations and reports unknown options itself instead of its parent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)
        self.register("action", None, _Store)
        self.register("action", "store", _Store)

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
    "chat": _Command("chat with a model in the terminal", "chat"),
    "record": _Command("record the responses of a server", "server,upstream"),
    "keys": _Command("manage API keys", "server"),
    "check": _Command("check the streams of an endpoint", ""),
    "bench": _Command("measure the speed of an endpoint", ""),
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
        print(f"headrace: {make_visible(error.message, lines=True)}", file=sys.stderr)
        return 1
    return status
