"""`headrace serve`: the API on this machine."""

import argparse
import os
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from headrace.errors import EngineError
from headrace.models import Model, ModelRegistry
from headrace.models.loading import load_model
from headrace.models.settings import (
    LlamaSettings,
    ModelSettings,
    RecordedSettings,
    UpstreamSettings,
    descriptions,
)
from headrace.server.app import PREFIXES, App
from headrace.server.configuration import ENGINES, ModelOptions, configure
from headrace.server.local import listen, run, url_of
from headrace.server.settings import Settings
from headrace.turns.settings import TurnSettings, without_secrets

__all__ = ["add_parser"]

_WITHOUT_FLAG: Final = frozenset({"api_keys", "path", "turns", "url"})  # --model, --upstream; keys are secret
_DEMO_NOTE: Final = """\
  NOTE    all of these names are the embedded demo model headrace-tiny: a few million
          parameters, trained for short poems, small talk and tool calls. It is not GLM."""


def add_parser(commands: Any) -> None:
    """Describe the command. Options and their descriptions come from the tables of settings."""
    parser = commands.add_parser(
        "serve",
        help="serve the API",
        description="Every option can also be set as HEADRACE_<NAME>, or in headrace.toml; the keys of those"
        " who may call only as HEADRACE_API_KEYS=id.secret[,…].",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--config", metavar="FILE", help="read this instead of headrace.toml")
    parser.add_argument("--model", metavar="FILE", help="a GGUF file; with --engine recorded, a trace")
    parser.add_argument("--upstream", metavar="URL", help="servers of a model: http://gpu1:8000/v1[,…]")
    parser.add_argument("--engine", choices=ENGINES, help="what runs the model; guessed if not given")
    tables: dict[str, type[msgspec.Struct]] = {
        "server": Settings,
        "turns": TurnSettings,
        "every model": ModelSettings,
        **{f"engine {name}": kind for name, kind in ENGINES.items()},
    }
    described = set(_WITHOUT_FLAG)
    for title, kind in tables.items():
        group = parser.add_argument_group(title)
        texts = descriptions(kind)
        for field in msgspec.structs.fields(kind):
            if field.name not in described:
                default = f" ({field.default})" if isinstance(field.default, int | float) else ""
                text = texts[field.name].replace("%", "%%") + default
                group.add_argument(f"--{field.name.replace('_', '-')}", metavar="X", help=text)
                described.add(field.name)
    parser.set_defaults(run=_serve)


class _Loaded(NamedTuple):
    model: Model
    settings: ModelSettings
    notes: Sequence[str]


def _serve(arguments: argparse.Namespace) -> int:
    flags = {name: value for name, value in vars(arguments).items() if name != "run"}
    configuration = configure(flags)
    settings = configuration.settings
    with listen(settings.host, settings.port) as listener:
        loaded = [one for options in configuration.models for one in _load(options)]
        app = App(ModelRegistry([one.model for one in loaded]), settings)
        print(_banner(loaded, settings, url_of(listener)), flush=True)
        run(app, listener, settings)
    return 0


def _load(options: ModelOptions) -> list[_Loaded]:
    """The model that the options describe; several, where a server that has several is named."""
    discovered: Sequence[tuple[ModelOptions, Sequence[str]]] = [(options, ())]
    if options.values.get("url") and not (options.name and "engine" in options.values):
        try:
            from headrace.server.discovery import discover_models
        except ImportError as error:
            msg = f"cannot reach a server ({error}); pip install 'headrace[upstream]'"
            raise EngineError(msg) from None
        discovered = [(model.options, model.notes) for model in discover_models(options, os.environ)]
    loaded: list[_Loaded] = []
    for complete, notes in discovered:
        settings = complete.settings()
        loaded.append(_Loaded(load_model(complete.name, settings), settings, notes))
    return loaded


def _banner(loaded: Sequence[_Loaded], settings: Settings, url: str) -> str:
    lines = [f"headrace: serving {url}{PREFIXES[0]}  (also {', '.join(PREFIXES[1:])})"]
    for model, of_model, _ in loaded:
        lines.append(f"  models  {', '.join(model.names)}{_runner(of_model)}")
        if isinstance(of_model, LlamaSettings) and of_model.path is None:
            lines.append(_DEMO_NOTE)
    notes = dict.fromkeys(note for one in loaded for note in one.notes)
    lines += [f"  detected {note}" for note in notes]
    number = len(settings.api_keys)
    keys = f"{number} from HEADRACE_API_KEYS" if number else "none: anyone on this machine"
    store = without_secrets(settings.turns.store)
    return "\n".join([*lines, f"  turns   {store}", f"  keys    {keys}"])


def _runner(settings: ModelSettings) -> str:
    match settings:
        case LlamaSettings(path=None):
            return ""
        case LlamaSettings() | RecordedSettings():
            return f": {settings.path}"
        case UpstreamSettings():
            return f": {settings.upstream_model or 'the same'} at {', '.join(settings.url)}"
        case _:
            return ""
