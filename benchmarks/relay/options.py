"""The command line."""

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from scenarios import SCENARIOS
from targets import TARGETS

__all__ = ["Options", "read_options"]

_QUICK_TARGETS: Final = ("nginx", "chat")
_QUICK_SCENARIOS: Final = ("paced200", "requests")
_ROUNDS: Final = 3


class Options(NamedTuple):
    """What to measure. `checkouts`: interpreters with Headrace, by what goes before their targets' names."""

    targets: Collection[str]
    scenarios: Sequence[str]
    rounds: int
    seconds: float | None
    checkouts: dict[str, str]
    json: Path | None


def read_options() -> Options:
    """Read `sys.argv`."""
    parser = argparse.ArgumentParser(
        prog="relay", description="Measure what relaying a stream costs. README.md explains the figures."
    )
    parser.add_argument("--targets", help=f"of {','.join(TARGETS)} (default: all)")
    parser.add_argument("--scenarios", help=f"of {','.join(SCENARIOS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help=f"(default: {_ROUNDS})")
    parser.add_argument("--seconds", type=float, help="length of a run of load (default: the scenario's own)")
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter with Headrace (default: this one)"
    )
    parser.add_argument(
        "--headrace",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help="a further interpreter with Headrace; its targets are called NAME:chat, …; can be repeated",
    )
    parser.add_argument("--json", type=Path, help="write each measurement into this file, one a line")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{','.join(_QUICK_SCENARIOS)} with {','.join(_QUICK_TARGETS)}, unless named; about a minute",
    )
    given = parser.parse_args()
    checkouts = {"": given.python}
    for text in given.headrace:
        name, _, python = text.partition("=")
        checkouts[name] = python
    for python in checkouts.values():
        if not Path(python).is_file():
            parser.error(f"{python} is not an interpreter; --python PYTHON, --headrace NAME=PYTHON")
    return Options(
        targets=_names(parser, given.targets, _QUICK_TARGETS if given.quick else TARGETS, TARGETS),
        scenarios=_names(parser, given.scenarios, _QUICK_SCENARIOS if given.quick else SCENARIOS, SCENARIOS),
        rounds=given.rounds,
        seconds=given.seconds,
        checkouts={name: str(Path(python).absolute()) for name, python in checkouts.items()},
        json=given.json,
    )


def _names(
    parser: argparse.ArgumentParser, given: str | None, default: Collection[str], known: Collection[str]
) -> list[str]:
    names = given.split(",") if given else list(default)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"{unknown[0]} is none of {', '.join(known)}")
    return names
