"""A program's standard streams, whatever is at their other end: nothing, a full disk, a reader that left."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["announce", "run"]


def run(program: Callable[[], int]) -> int:
    """Run a program to its exit status. Output that cannot be written never ends in a traceback.

    A reader that leaves (`| head`) has seen enough: status 0. On a full disk it is 1, and 130 after Ctrl-C.
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
        print(f"headrace: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def announce(text: str) -> None:
    """Print something that the program can do without; its work goes on if that is impossible."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _discard_output()
    except OSError as error:
        _discard_output()
        print(f"headrace: cannot write to the standard output: {error.strerror}", file=sys.stderr)


def _prepare() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed: what is opened next must not take its descriptor
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Let what is still buffered, and all that follows, go nowhere."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
