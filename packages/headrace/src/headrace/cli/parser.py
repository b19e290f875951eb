"""argparse without abbreviations, and with the usage of the subcommand in usage errors."""

import argparse
import difflib
from collections.abc import Sequence
from typing import Any

__all__ = ["CommandParser"]


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
