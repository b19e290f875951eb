"""Command lines: argparse, without guessing, and with the usage of the command that was used wrongly."""

import argparse
import difflib
from collections.abc import Sequence
from typing import Any

__all__ = ["CommandParser"]


class CommandParser(argparse.ArgumentParser):
    """A parser that takes no abbreviations and that reports an unknown option itself, not its parent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse what is known; exit with status 2 at anything else."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            option = unknown[0].partition("=")[0]
            close = difflib.get_close_matches(option, self._option_string_actions, 1)
            self.error(f"unknown argument {option}" + (f"; did you mean {close[0]}?" if close else ""))
        return known, unknown
