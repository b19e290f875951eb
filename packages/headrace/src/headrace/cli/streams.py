"""Handling of standard streams that are closed, on a full disk, or piped to a program that has ended."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

from headrace.visible import make_visible

__all__ = ["announce", "run"]


def run(program: Callable[[], int]) -> int:
    """Run a program and return its exit status, without a traceback if its output cannot be written.

    The status is 0 if the reader of a pipe has ended (`| head`), 1 on a full disk, and 130 after Ctrl-C.
    """
    _prepare()
    try:
        try:
            return program()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return 0
    except OSError as error:
        _discard_output()
        print(f"headrace: {make_visible(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def announce(text: str) -> None:
    """Print optional information; continue if that fails."""
    try:
        print(make_visible(text, lines=True), flush=True)
    except BrokenPipeError:
        _discard_output()
    except OSError as error:
        _discard_output()
        print(f"headrace: cannot write to the standard output: {error.strerror}", file=sys.stderr)


def _prepare() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed: another file must not get its descriptor
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Redirect the standard output, including what is buffered, to the null device."""
    with Path(os.devnull).open("wb") as null:
        os.dup2(null.fileno(), sys.stdout.fileno())
