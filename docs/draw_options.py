"""Draws the tables of docs/configuration.md from the settings classes and the programs' arguments."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

from headrace.cli.main import COMMANDS, CommandParser
from headrace.options import Option
from headrace.server.options import OPTION_GROUPS

PAGE: Final = Path(__file__).with_name("configuration.md")
_BLOCK: Final = re.compile(r"(<!-- options: (\S+) -->\n).*?(<!-- end of options -->)", re.DOTALL)


def redraw(page: str) -> str:
    """Return the page with new tables."""
    tables = {name: _serve() if name == "serve" else _other(name) for name in COMMANDS}
    return _BLOCK.sub(lambda found: found[1] + "\n".join(tables[found[2]]) + "\n" + found[3], page)


def _serve() -> Iterator[str]:
    for title, options in OPTION_GROUPS.items():
        yield f"\n### {title[0].upper() + title[1:]}\n"
        yield "| option | flag | variable | default | meaning |"
        yield "|---|---|---|---|---|"
        for option in options:
            yield _row(*_names(option), option.default or "required", option.description)
    yield ""


def _names(option: Option) -> Iterator[str]:
    """Yield the names in headrace.toml, on the command line and in the environment."""
    names = {"file": option.name, "flag": f"{option.flag} {option.metavar}", "variable": option.variable}
    return (f"`{name}`" if source in option.sources else "–" for source, name in names.items())


def _other(name: str) -> Iterator[str]:
    commands = CommandParser(prog="headrace").add_subparsers()
    import_module(f"headrace.cli.{name}").add_parser(commands)
    (parser,) = commands.choices.values()
    yield "| argument | default | meaning |"
    yield "|---|---|---|"
    for action in parser._actions:  # noqa: SLF001
        name = " ".join(filter(None, [*action.option_strings, action.metavar]))
        text, _, default = (action.help % {"default": action.default}).partition(" (default: ")
        if name != "-h --help":
            yield _row(f"`{name}`", default.removesuffix(")") or "required", text)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
