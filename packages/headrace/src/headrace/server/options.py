"""Every option of `headrace serve`, in groups: what `--help` and docs/configuration.md show."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final

import msgspec

from headrace.models.settings import ENGINES, ModelSettings
from headrace.options import Option, describe, options_of
from headrace.server.settings import Settings
from headrace.turns.settings import TurnSettings

__all__ = ["OPTION_GROUPS", "CommandLine"]


class CommandLine(msgspec.Struct, frozen=True):
    """What to serve: options that stand in no table of headrace.toml, except for `engine`."""

    config: Annotated[
        str,
        describe(
            "configuration file",
            "FILE",
            default="headrace.toml in the working directory, if there is one",
            sources=("flag", "variable"),
        ),
    ] = ""
    model: Annotated[
        str,
        describe(
            "GGUF file to serve, or with --engine recorded a trace, instead of the models of headrace.toml",
            "FILE",
            default="the embedded model, if headrace.toml names no models",
            sources=("flag", "variable"),
        ),
    ] = ""
    upstream: Annotated[
        str,
        describe(
            "base URL of a server whose models to serve instead, such as http://gpu1:8000/v1; several URLs,"
            " separated by commas, share the load",
            "URL",
            default="none",
            sources=("flag", "variable"),
        ),
    ] = ""
    engine: Annotated[
        str,
        describe(
            "what runs the model",
            f"{{{','.join(ENGINES)}}}",
            default="llama; with an upstream URL guessed from its server",
        ),
    ] = ""


def _groups() -> Iterator[tuple[str, Sequence[Option]]]:
    """Options that several engines share stand in one group, which names these engines."""
    for title, kind in (
        ("what to serve", CommandLine),
        ("[server]", Settings),
        ("[turns]", TurnSettings),
        ("[models.NAME], every engine", ModelSettings),
    ):
        yield title, list(options_of(kind).values())
    every_model = options_of(ModelSettings).values()
    engines_by_option: dict[Option, list[str]] = {}
    for engine, kind in ENGINES.items():
        for option in options_of(kind).values():
            if option not in every_model:
                engines_by_option.setdefault(option, []).append(engine)
    for engines in dict.fromkeys(map(tuple, engines_by_option.values())):
        options = [option for option, owners in engines_by_option.items() if tuple(owners) == engines]
        yield f"[models.NAME], engine {', '.join(engines)}", options


OPTION_GROUPS: Final[Mapping[str, Sequence[Option]]] = dict(_groups())
"""By title."""
