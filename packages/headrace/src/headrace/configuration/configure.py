"""Flags, environment variables, headrace.toml and defaults → settings, in this order of precedence.

    [server]                            the server
    [turns]                             the turns, and where they are stored
    [limits]                            how many turns may run and wait
    [telemetry]                         the server log, and traces
    [models."glm-4.6"]                  one table for each model; `engine` names its engine

Flags and variables for models apply to every model that has the option.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.configuration.certificate import load_certificate
from headrace.configuration.file import read_file, read_keys
from headrace.configuration.overrides import Overrides
from headrace.configuration.settings import Settings
from headrace.configuration.table import ModelOptions, OptionTable, lists_split
from headrace.errors import RequestError
from headrace.limits.settings import LimitSettings
from headrace.models.names import ZAI_NAMES
from headrace.models.settings import CompletionsSettings, ModelSettings
from headrace.models.templates import is_template
from headrace.options import OptionError
from headrace.telemetry.settings import TelemetrySettings
from headrace.turns.settings import TurnSettings

__all__ = ["Configuration", "configure", "configure_turns"]

_DEFAULT_FILE: Final = Path("headrace.toml")
_SERVER_FILES: Final = ("unix_socket", "tls_cert", "tls_key", "api_keys_file")
_MODEL_FILES: Final = ("path", "chat_template")
_NEEDS_SHARED_STORE: Final = (
    "the workers are processes, which cannot share a memory store; set sqlite:FILE or the URL of a Redis, or"
    " remove the option: they get a private SQLite file"
)


class Configuration(msgspec.Struct, frozen=True):
    """The settings of the server, the options of its models, and warnings for the operator."""

    settings: Settings
    models: list[ModelOptions]
    warnings: Sequence[str] = ()


def configure(flags: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Configuration:
    """Read and merge the configuration.

    Args:
        flags: values by option; None if not set. `config` names a file that must exist; without it,
            headrace.toml is read if it exists. `model` or `upstream` replace the models of the file.
        environment: `HEADRACE_<OPTION>`.

    Raises:
        RequestError: an option is unknown or its value is invalid.
    """
    overrides = Overrides(flags, environment)
    path, tables = _read(overrides)
    turns = _table(overrides, path, tables, "turns", TurnSettings)
    settings = _server(
        overrides,
        path,
        tables,
        turns=turns.convert(TurnSettings),
        limits=_table(overrides, path, tables, "limits", LimitSettings).convert(LimitSettings),
        telemetry=_table(overrides, path, tables, "telemetry", TelemetrySettings).convert(TelemetrySettings),
    )
    if settings.workers > 1 and turns.values.get("store") == "memory":
        raise turns.locate(OptionError("store", _NEEDS_SHARED_STORE))
    models = [_model(overrides, path, name, table) for name, table in tables.get("models", {}).items()]
    if overrides.get("model")[0] or overrides.get("upstream")[0] or not models:
        models = [_only_model(overrides)]
    overrides.check_flags()
    _check_names(models)
    keys = {options.values.get("upstream_key_env") for options in models}
    warnings = [text for variable, text in overrides.unused_variables() if variable not in keys]
    return Configuration(settings, models, warnings)


def configure_turns(flags: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> TurnSettings:
    """Read only the options of turns, as `configure` does.

    Raises:
        RequestError: an option is unknown or its value is invalid.
    """
    overrides = Overrides(flags, environment)
    return _table(overrides, *_read(overrides), "turns", TurnSettings).convert(TurnSettings)


def _read(overrides: Overrides) -> tuple[Path, dict[str, Any]]:
    """Return the path of the configuration file, and its tables; none if there is no file."""
    file, origin = overrides.get("config")
    path = Path(file or _DEFAULT_FILE)
    return path, read_file(path, origin) if file or path.exists() else {}


def _table(
    overrides: Overrides, path: Path, tables: Mapping[str, Any], name: str, kind: type[msgspec.Struct]
) -> OptionTable:
    return overrides.apply(OptionTable(f"{path}: [{name}]", tables.get(name, {})), kind)


def _server(
    overrides: Overrides, path: Path, tables: Mapping[str, Any], **others: msgspec.Struct
) -> Settings:
    """Return the settings of the server, with those of other tables, and the keys of its file."""
    values = _with_paths(path, tables.get("server", {}), _SERVER_FILES)
    table = overrides.apply(OptionTable(f"{path}: [server]", values), Settings)
    values = table.values
    if values.get("unix_socket") and (ignored := values.keys() & {"host", "port"}):
        reason = f"cannot be combined with {' and '.join(sorted(ignored))}: the server listens in one place"
        raise table.locate(OptionError("unix_socket", reason))
    values |= others
    try:
        if isinstance(file := values.get("api_keys_file"), str) and file:
            values["api_keys"] = [*lists_split(values, Settings).get("api_keys", ()), *read_keys(file)]
        settings = table.convert(Settings)
        if settings.tls_cert:
            load_certificate(settings.tls_cert, settings.tls_key)
    except OptionError as error:
        raise table.locate(error) from None
    return settings


def _model(overrides: Overrides, path: Path, name: str, table: Mapping[str, Any]) -> ModelOptions:
    options = ModelOptions(name, f'{path}: [models."{name}"]', _with_paths(path, table, _MODEL_FILES))
    return _overridden(options, overrides)


def _with_paths(path: Path, table: Mapping[str, Any], options: Iterable[str]) -> dict[str, Any]:
    """Return the options of a table of the file. Paths are relative to the file."""
    relative = {
        option: str(path.parent / table[option])
        for option in options
        if table.get(option) and isinstance(table[option], str) and not is_template(table[option])
    }
    return {**table, **relative}


def _only_model(overrides: Overrides) -> ModelOptions:
    """Return the options of the model that `--model` or `--upstream` names, or of the embedded model."""
    (path, path_origin), (url, url_origin) = overrides.get("model"), overrides.get("upstream")
    if path and url:
        msg = f"{path_origin} and {url_origin} cannot be combined; headrace.toml can have several models"
        raise RequestError(msg)
    if url:
        options = ModelOptions("", f"the models of {url_origin}", {})
        options.put("url", url, url_origin)
    elif path:
        options = ModelOptions(Path(path).stem.lower(), f"the model of {path_origin}", {"engine": "llama"})
        options.put("path", path, path_origin)
    else:
        options = ModelOptions("", "the embedded model", {"engine": "llama"})
    options = _overridden(options, overrides)
    if path:
        options.add_aliases(ZAI_NAMES)
    return options


def _overridden(options: ModelOptions, overrides: Overrides) -> ModelOptions:
    engine, origin = overrides.get("engine")
    if engine:
        options.put("engine", engine, origin)
    overrides.apply(options, options.kind or CompletionsSettings)
    return options


def _check_names(models: Iterable[ModelOptions]) -> None:
    """Reject a name that two models set. Detected names are not checked: the first model wins."""
    owners: dict[str, ModelOptions] = {}
    for options in models:
        aliases = lists_split(options.values, ModelSettings).get("aliases")
        for name in (options.name, *(aliases if isinstance(aliases, Sequence) else ())):
            owner = owners.setdefault(str(name).lower(), options)
            if owner is not options:
                msg = f"{options.where}: {owner.where} has the name {name}, too; remove it from one of them"
                raise RequestError(msg)
