"""Flags, environment variables, headrace.toml and defaults → settings, in this order of precedence.

    [server]                            the server
    [turns]                             the turns, and where they are stored
    [models."glm-4.6"]                  one table for each model; `engine` names its engine

Flags and variables for models apply to every model that has the option.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, get_origin

import msgspec

from headrace.errors import HeadraceError, RequestError
from headrace.foreign_errors import reading
from headrace.models.names import ZAI_NAMES
from headrace.models.settings import (
    ENGINES,
    CompletionsSettings,
    ModelSettings,
)
from headrace.models.templates import is_template
from headrace.options import OptionError, base_type, options_of
from headrace.server.options import OPTION_GROUPS, CommandLine
from headrace.server.settings import Settings
from headrace.turns.settings import TurnSettings

__all__ = ["Configuration", "ModelOptions", "configure"]

_DEFAULT_FILE: Final = Path("headrace.toml")
_TABLES: Final = ("server", "turns", "models")
_VARIABLE_NAMES: Final = [
    option.name for options in OPTION_GROUPS.values() for option in options if "variable" in option.sources
]
# Kubernetes and Docker set these for a service named `headrace`, among them HEADRACE_PORT=tcp://10.0.0.1:8000.
_SERVICE_LINK: Final = re.compile(
    r"\w+_(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP|SCTP))(_\w+)?=.*|\w+_PORT=(tcp|udp|sctp)://.*"
)

_Settings = TypeVar("_Settings", bound=msgspec.Struct)


class _Table:
    """Values of options, and where each was set."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self.where = where
        self.values = dict(values)
        self.origins = dict.fromkeys(values, where)

    def put(self, option: str, value: Any, origin: str) -> None:
        """Set or override an option."""
        self.values[option] = value
        self.origins[option] = origin

    def convert(self, kind: type[_Settings]) -> _Settings:
        """Check the values and return them as settings."""
        for option in self.values:
            if option not in (*kind.__struct_fields__, kind.__struct_config__.tag_field):
                msg = f"{self.where}: unknown option {option}{_closest(option, kind.__struct_fields__)}"
                raise RequestError(msg)
        try:
            return msgspec.convert(_lists_split(self.values, kind), kind, strict=False, dec_hook=_path)
        except msgspec.ValidationError as error:
            raise self._explain(error, kind) from None
        except OptionError as error:
            raise self.locate(error) from None

    def locate(self, error: HeadraceError) -> RequestError:
        """Prefix an error with its place: file and table, flag, or variable."""
        if isinstance(error, OptionError):
            return RequestError(f"{self._place(error.option)}: {error.reason}")
        return RequestError(f"{self.where}: {error.message}")

    def _place(self, option: str) -> str:
        """Return where an option was set. The names of flags and variables include the option."""
        origin = self.origins.get(option, self.where)
        return f"{origin}: {option}" if origin == self.where else origin

    def _explain(self, error: msgspec.ValidationError, kind: type[msgspec.Struct]) -> RequestError:
        reason, _, path = str(error).partition(" - at `$.")
        option = path.partition("`")[0].partition("[")[0]
        if missing := re.fullmatch("Object missing required field `(.+)`", reason):
            description = options_of(kind)[missing[1]].description
            return RequestError(f"{self.where}: {missing[1]} is missing ({description})")
        if option not in self.values:
            return RequestError(f"{self.where}: {reason}")
        reason = reason[:1].lower() + reason[1:].replace("`", "")
        known = options_of(kind)[option]
        return RequestError(
            f"{self._place(option)} is {self.values[option]!r}: {reason}"
            f" ({option} {known.metavar}: {known.description})"
        )


class ModelOptions(_Table):
    """The options of a model; `engine` may still have to be detected.

    Args:
        name: the model's name; "" if it has to be detected as well.
        where: the place of the options, for messages.
        values: values by option.
    """

    def __init__(self, name: str, where: str, values: Mapping[str, Any]) -> None:
        super().__init__(where, values)
        self.name = name

    def add_aliases(self, names: Iterable[str]) -> None:
        """Add names to the model's aliases."""
        given = _lists_split(self.values, ModelSettings).get("aliases", ())
        if isinstance(given, Sequence):  # otherwise `settings` reports it
            self.values["aliases"] = [*given, *names]

    def completed(self, name: str, values: Mapping[str, Any]) -> "ModelOptions":
        """Return a copy with a name and all values; options that were set keep their places."""
        options = ModelOptions(name, self.where, values)
        options.origins |= self.origins
        return options

    @property
    def kind(self) -> type[ModelSettings] | None:
        """The settings class that `engine` names; None if there is none."""
        engine = self.values.get("engine")
        return next((kind for name, kind in ENGINES.items() if name == engine), None)

    def settings(self, otherwise: type[ModelSettings] | None = None) -> ModelSettings:
        """Check the options and return them as settings of the engine, or of `otherwise` if none is set.

        Raises:
            RequestError: an option is unknown or its value is invalid.
        """
        kind = self.kind if "engine" in self.values else otherwise
        if kind is None:
            engine = self.values.get("engine", "")
            msg = f"{self._place('engine')} is {engine!r}; it must be one of {', '.join(ENGINES)}"
            raise RequestError(msg)
        return self.convert(kind)


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
    overrides = _Overrides(flags, environment)
    file, origin = overrides.get("config")
    path = Path(file or _DEFAULT_FILE)
    tables = _read(path, origin) if file or path.exists() else {}
    _check(tables, path)
    server = overrides.apply(_Table(f"{path}: [server]", tables.get("server", {})), Settings)
    turns = overrides.apply(_Table(f"{path}: [turns]", tables.get("turns", {})), TurnSettings)
    server.values["turns"] = turns.convert(TurnSettings)
    models = [_model(overrides, path, name, table) for name, table in tables.get("models", {}).items()]
    if overrides.get("model")[0] or overrides.get("upstream")[0] or not models:
        models = [_only_model(overrides)]
    overrides.check_flags()
    _check_names(models)
    keys = {options.values.get("upstream_key_env") for options in models}
    warnings = [text for variable, text in overrides.unused_variables() if variable not in keys]
    return Configuration(server.convert(Settings), models, warnings)


class _Overrides:
    """Options set by flags and environment variables."""

    def __init__(self, flags: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self._flags = {option: value for option, value in flags.items() if value is not None}
        self._environment = {
            variable: value
            for variable, value in environment.items()
            if variable.startswith("HEADRACE_") and not _SERVICE_LINK.fullmatch(f"{variable}={value}")
        }
        self._used = set(CommandLine.__struct_fields__)

    def get(self, option: str) -> tuple[Any, str]:
        """Return the value of an option and where it was set; None if it was not."""
        if option in self._flags:
            return self._flags[option], f"--{option.replace('_', '-')}"
        variable = f"HEADRACE_{option.upper()}"
        return self._environment.get(variable) or None, variable

    def apply(self, table: _Table, kind: type[msgspec.Struct]) -> _Table:
        """Override the options of a table."""
        for option in options_of(kind).values():
            value, origin = self.get(option.name)
            if value is not None and "variable" in option.sources:
                table.put(option.name, value, origin)
                self._used.add(option.name)
        return table

    def check_flags(self) -> None:
        """Reject flags that have no effect."""
        for option in self._flags:
            if option not in self._used:
                msg = f"--{option.replace('_', '-')}: none of the served models has this option"
                raise RequestError(msg)

    def unused_variables(self) -> Iterator[tuple[str, str]]:
        """Yield variables that have no effect, each with a warning.

        These are not errors, because other programs may share the environment.
        """
        for variable, value in self._environment.items():
            name = variable.removeprefix("HEADRACE_").lower()
            if name not in _VARIABLE_NAMES:
                close = difflib.get_close_matches(name, _VARIABLE_NAMES, 1)
                hint = (
                    f"did you mean HEADRACE_{close[0].upper()}?"
                    if close
                    else "docs/configuration.md lists all"
                )
                yield variable, f"{variable} is not a variable of Headrace; {hint}"
            elif value and name not in self._used:
                yield variable, f"{variable} has no effect: none of the served models has this option"


def _model(overrides: _Overrides, path: Path, name: str, table: Mapping[str, Any]) -> ModelOptions:
    """Return the options of a model in the file. Its paths are relative to the file."""
    relative = {
        key: str(path.parent / table[key])
        for key in ("path", "chat_template")
        if isinstance(table.get(key), str) and not is_template(table[key])
    }
    options = ModelOptions(name, f'{path}: [models."{name}"]', {**table, **relative})
    return _overridden(options, overrides)


def _only_model(overrides: _Overrides) -> ModelOptions:
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


def _overridden(options: ModelOptions, overrides: _Overrides) -> ModelOptions:
    engine, origin = overrides.get("engine")
    if engine:
        options.put("engine", engine, origin)
    overrides.apply(options, options.kind or CompletionsSettings)
    return options


def _read(path: Path, origin: str) -> dict[str, Any]:
    with reading(origin, path, RequestError):
        encoded = path.read_bytes()
    try:
        return tomllib.loads(encoded.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = str(error)
    except RecursionError:
        reason = "arrays or tables are nested too deeply"
    except ValueError:
        reason = "a number has too many digits"
    raise RequestError(f"{path} is not valid TOML: {reason}")


def _check(tables: Mapping[str, Any], path: Path) -> None:
    """Reject unknown tables and values in place of tables."""
    for name, table in tables.items():
        if name not in _TABLES:
            msg = f"{path}: unknown table [{name}]{_closest(name, _TABLES)}"
            raise RequestError(msg)
        if not isinstance(table, dict):
            msg = f"{path}: {name} is {table!r}; it must be a table: [{name}]"
            raise RequestError(msg)
    for name, table in tables.get("models", {}).items():
        if not isinstance(table, dict):
            msg = f'{path}: models.{name} is {table!r}; it must be a table: [models."{name}"]'
            raise RequestError(msg)
        for option, value in table.items():
            if isinstance(value, dict) and option != "chat_template_kwargs":
                full = f"{name}.{option}"
                msg = f'{path}: [models.{full}]: put a name that has a dot in quotes: [models."{full}"]'
                raise RequestError(msg)
    if "api_keys" in tables.get("server", {}):
        msg = f"{path}: [server] api_keys: keys cannot be set in a file; set HEADRACE_API_KEYS=id.secret[,…]"
        raise RequestError(msg)


def _check_names(models: Iterable[ModelOptions]) -> None:
    """Reject a name that two models set. Detected names are not checked: the first model wins."""
    owners: dict[str, ModelOptions] = {}
    for options in models:
        aliases = _lists_split(options.values, ModelSettings).get("aliases")
        for name in (options.name, *(aliases if isinstance(aliases, Sequence) else ())):
            owner = owners.setdefault(str(name).lower(), options)
            if owner is not options:
                msg = f"{options.where}: {owner.where} has the name {name}, too; remove it from one of them"
                raise RequestError(msg)


def _lists_split(values: Mapping[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Split strings that are set for lists at their commas.

    Raises:
        OptionError: a string contains nothing but commas.
    """
    split = dict(values)
    for field in msgspec.structs.fields(kind):
        value = values.get(field.name)
        if get_origin(base_type(field.type)) is tuple and isinstance(value, str):
            split[field.name] = parts = [part.strip() for part in value.split(",") if part.strip()]
            if value and not parts:
                raise OptionError(field.name, f"{value!r} contains only commas")
    return split


def _path(kind: type, value: Any) -> Any:
    return kind(value)


def _closest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"
