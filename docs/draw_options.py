"""Draws the tables of docs/configuration.md from the settings classes and the programs' arguments."""

from argparse import ArgumentParser
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

from draw_blocks import replace_blocks

from headrace.cli.main import COMMANDS, CommandParser
from headrace.configuration.groups import OPTION_GROUPS
from headrace.options import Option

PAGE: Final = Path(__file__).with_name("configuration.md")


def redraw(page: str) -> str:
    """Return the page with new tables."""
    tables = {f"options: {name}": _serve() if name == "serve" else _other(name) for name in COMMANDS}
    return replace_blocks(page, tables)


def _serve() -> Iterator[str]:
    for title, options in OPTION_GROUPS.items():
        yield f"\n### {title[0].upper() + title[1:]}\n"
        can_reload = any(option.reloads for option in options)
        yield _row("option", "flag", "variable", "default", "meaning", *["SIGHUP"] * can_reload)
        yield "|---|---|---|---|---|" + "---|" * can_reload
        for option in options:
            of_reload = ["reloads" if option.reloads else "–"] if can_reload else []
            yield _row(*_names(option), option.default or "required", option.description, *of_reload)
    yield ""


def _names(option: Option) -> Iterator[str]:
    """Yield the names in headrace.toml, on the command line and in the environment."""
    names = {"file": option.name, "flag": f"{option.flag} {option.metavar}", "variable": option.variable}
    return (f"`{name}`" if source in option.sources else "–" for source, name in names.items())


def _other(name: str) -> Iterator[str]:
    commands = CommandParser(prog="headrace").add_subparsers()
    import_module(f"headrace.cli.{name}").add_parser(commands)
    (parser,) = commands.choices.values()
    if parser._subparsers is None:  # noqa: SLF001
        yield from _arguments(parser)
        return
    (actions,) = parser._subparsers._group_actions  # noqa: SLF001
    assert isinstance(actions.choices, dict)
    for action, of_action in actions.choices.items():
        yield f"\n### {action}\n\n{of_action.description}\n"
        yield from _arguments(of_action)
    yield ""


def _arguments(parser: ArgumentParser) -> Iterator[str]:
    yield "| argument | default | meaning |"
    yield "|---|---|---|"
    for action in parser._actions:  # noqa: SLF001
        name = " ".join(filter(None, [*action.option_strings, action.metavar]))
        text, _, default = (action.help % {"default": action.default}).partition(" (default: ")
        if name != "-h --help":
            yield _row(f"`{name}`", default.removesuffix(")") or "required", text)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
