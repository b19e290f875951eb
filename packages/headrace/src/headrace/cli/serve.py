"""`headrace serve`: serve the API."""

import argparse
import os
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from headrace.cli.streams import announce
from headrace.errors import HeadraceError
from headrace.foreign_errors import needs_extra
from headrace.formats import UNKNOWN
from headrace.models import Model, ModelRegistry
from headrace.models.loading import load_model
from headrace.models.names import ANY_NAME
from headrace.models.settings import (
    LlamaSettings,
    ModelSettings,
    RecordedSettings,
    UpstreamSettings,
)
from headrace.server import memory
from headrace.server.app import PREFIXES, App
from headrace.server.configuration import Configuration, ModelOptions, configure
from headrace.server.local import listen, raise_file_limit, run, url_of
from headrace.server.options import OPTION_GROUPS
from headrace.turns import check_store
from headrace.turns.settings import without_secrets

__all__ = ["add_parser"]

_DEMO_NOTE: Final = """\
  NOTE      the embedded demo model headrace-tiny answers to every name of Z.ai's chat models: a few
            million parameters, trained for short poems, small talk and tool calls. It is not GLM."""
_UNKNOWN_FAMILY: Final = """\
  NOTE      the family of {model} is unknown: its output is read as text (format {format}), and calls
            are JSON objects. If it writes calls as a known family does, set --format."""
_BASE_MODEL: Final = """\
  NOTE      {model} has no chat template: it continues the messages as plain text, and an answer ends at the
            next "User:". If it was trained for chat, set its template: --chat-template FILE."""
_SHOWN_NAMES: Final = 6
_WITHOUT_STORE: Final = {
    "fail": "Until it is available, requests for resumable turns get status 503.",
    "continue": "Until it is available, turns cannot be resumed.",
}


def add_parser(commands: Any) -> None:
    """Add the command and its options, which the settings classes define."""
    parser = commands.add_parser(
        "serve",
        description="Serve the API. Options can also be set by environment variables (HEADRACE_<NAME>) and in"
        " headrace.toml; flags take precedence over variables, and variables over the file. To require an API"
        " key from clients, set HEADRACE_API_KEYS=id.secret[,…]; there is no flag for it.",
    )
    for title, options in OPTION_GROUPS.items():
        group = parser.add_argument_group(title)
        for option in options:
            if "flag" in option.sources:
                text = f"{option.description} (default: {option.default})".replace("%", "%%")
                group.add_argument(option.flag, metavar=option.metavar, help=text)
    parser.set_defaults(run=_serve)


class _Loaded(NamedTuple):
    model: Model
    settings: ModelSettings
    notes: Sequence[str]


def _serve(arguments: argparse.Namespace) -> int:
    flags = {name: value for name, value in vars(arguments).items() if name != "run"}
    configuration = configure(flags)
    settings = configuration.settings
    raise_file_limit()
    memory.limit_arenas()
    with listen(settings.host, settings.port, port_options="--port or HEADRACE_PORT") as listener:
        loaded = [one for options in configuration.models for one in _load(options)]
        registry = ModelRegistry([one.model for one in loaded])
        app = App(registry, settings)
        announce(_banner(loaded, registry, configuration, url_of(listener)))
        run(app, listener, settings)
    return 0


def _load(options: ModelOptions) -> list[_Loaded]:
    """Load the model that the options describe, or each model of the server that they name."""
    discovered: Sequence[tuple[ModelOptions, Sequence[str]]] = [(options, ())]
    if options.values.get("url") and not (options.name and "engine" in options.values):
        with needs_extra("upstream"):
            from headrace.server.discovery import discover_models
        discovered = [(model.options, model.notes) for model in discover_models(options, os.environ)]
    loaded: list[_Loaded] = []
    for complete, notes in discovered:
        settings = complete.settings()
        try:
            loaded.append(_Loaded(load_model(complete.name, settings), settings, notes))
        except HeadraceError as error:
            raise complete.locate(error) from None
    return loaded


def _banner(
    loaded: Sequence[_Loaded], registry: ModelRegistry, configuration: Configuration, url: str
) -> str:
    settings = configuration.settings
    lines = [f"headrace: serving {url}{PREFIXES[0]}  (also {', '.join(PREFIXES[1:])})"]
    for model, of_model, _ in loaded:
        names = [name for name in model.names if registry.find(name) is model]
        lines.append(f"  models    {_listed(names)}{_runner(of_model)}")
        if model.resources:
            lines.append(f"  llama     {model.resources}")
        if isinstance(of_model, LlamaSettings) and of_model.path is None:
            lines.append(_DEMO_NOTE)
        if model.default_stops:
            lines.append(_BASE_MODEL.format(model=names[0]))
        elif model.format in UNKNOWN and not of_model.format:
            lines.append(_UNKNOWN_FAMILY.format(model=names[0], format=model.format.name))
        if model.template is not None and (missing := model.template.findings.left_out):
            left_out = ", ".join(missing)
            lines.append(f"  NOTE      the chat template of {names[0]} leaves out: {left_out}")
    notes = dict.fromkeys(note for one in loaded for note in one.notes)
    lines += [f"  detected  {note}" for note in notes]
    number = len(settings.api_keys)
    keys = f"{number} from HEADRACE_API_KEYS" if number else "none: any program on this machine can call"
    lines += [f"  store     {without_secrets(settings.turns.store)}", f"  API keys  {keys}"]
    if failure := check_store(settings.turns):
        lines.append(f"  WARNING   {failure}\n            {_WITHOUT_STORE[settings.turns.on_store_error]}")
    lines += [f"  WARNING   {warning}" for warning in configuration.warnings]
    return "\n".join(lines)


def _listed(names: Sequence[str]) -> str:
    """List names, only the first ones of many."""
    own = [name for name in names if name != ANY_NAME]
    hidden = len(own) - _SHOWN_NAMES
    more = [f"{hidden} more (GET /v1/models)"] if hidden > 0 else []
    any_other = ["any other name"] if ANY_NAME in names else []
    return ", ".join([*own[:_SHOWN_NAMES], *more, *any_other])


def _runner(settings: ModelSettings) -> str:
    match settings:
        case LlamaSettings(path=None):
            return ""
        case LlamaSettings() | RecordedSettings():
            return f": {settings.path}"
        case UpstreamSettings():
            urls = ", ".join(map(without_secrets, settings.url))
            return f": {settings.upstream_model or 'the same name'} at {urls}"
        case _:
            return ""
