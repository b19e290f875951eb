"""Every option of `headrace serve`, grouped as `--help` and docs/configuration.md show them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final

import msgspec

from headrace.configuration.settings import Settings
from headrace.limits.settings import LimitSettings
from headrace.models.settings import ENGINES, ModelSettings
from headrace.options import Option, describe, options_of
from headrace.telemetry.settings import TelemetrySettings
from headrace.turns.settings import TurnSettings

__all__ = ["LIMITS", "OPTION_GROUPS", "CommandLine"]


class CommandLine(msgspec.Struct, frozen=True):
    """Options that are in no table of headrace.toml, except for `engine`."""

    config: Annotated[
        str,
        describe(
            "configuration file",
            "FILE",
            default="headrace.toml in the working directory, if it exists",
            sources=("flag", "variable"),
        ),
    ] = ""
    model: Annotated[
        str,
        describe(
            "GGUF file, or with --engine recorded a recording, to serve instead of the models in"
            " headrace.toml",
            "FILE",
            default="the embedded model, if headrace.toml has no models",
            sources=("flag", "variable"),
        ),
    ] = ""
    upstream: Annotated[
        str,
        describe(
            "base URL of a server, such as http://gpu1:8000/v1, whose models to serve instead of those in"
            " headrace.toml; several URLs, separated by commas, share the requests",
            "URL",
            default="none",
            sources=("flag", "variable"),
        ),
    ] = ""
    engine: Annotated[
        str,
        describe(
            "engine of the model",
            f"{{{','.join(ENGINES)}}}",
            default="llama; detected if the model has an upstream URL",
        ),
    ] = ""


def _groups() -> Iterator[tuple[str, Sequence[Option]]]:
    """Group the options of the engines by the engines that have them."""
    for title, kind in (
        ("what to serve", CommandLine),
        ("[server]", Settings),
        ("[turns]", TurnSettings),
        ("[limits]", LimitSettings),
        ("[telemetry]", TelemetrySettings),
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
"""Options by the title of their group."""

LIMITS: Final = [option for options in OPTION_GROUPS.values() for option in options if option.at_limit]
"""The options that are limits. Each has its name as a label of the metric `headrace_limits_reached_total`."""
