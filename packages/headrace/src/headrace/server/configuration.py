"""Flags, then the environment, then headrace.toml, then defaults → settings.

    [server]                            what the server itself does
    [turns]                             how long turns live
    [models."glm-4.6"]                  one table a model; `engine` says what runs it

What a flag or a variable says about models holds for every model that knows the option.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, get_origin

import msgspec

from headrace.errors import HeadraceError, RequestError
from headrace.files import reading
from headrace.models.settings import (
    ENGINES,
    ZAI_NAMES,
    CompletionsSettings,
    ModelSettings,
)
from headrace.models.templates import is_template
from headrace.options import OptionError, base_type, options_of
from headrace.server.options import CommandLine
from headrace.server.settings import Settings
from headrace.turns.settings import TurnSettings

__all__ = ["Configuration", "ModelOptions", "configure"]

_DEFAULT_FILE: Final = Path("headrace.toml")
_TABLES: Final = ("server", "turns", "models")

_Settings = TypeVar("_Settings", bound=msgspec.Struct)


class _Table:
    """Options as far as they were given, and where each one stands."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self.where = where
        self.values = dict(values)
        self.origins = dict.fromkeys(values, where)

    def put(self, option: str, value: Any, origin: str) -> None:
        """Overrule an option."""
        self.values[option] = value
        self.origins[option] = origin

    def convert(self, kind: type[_Settings]) -> _Settings:
        """The checked settings."""
        for option in self.values:
            if option not in (*kind.__struct_fields__, kind.__struct_config__.tag_field):
                msg = f"{self.where}: {option} is no option here{_closest(option, kind.__struct_fields__)}"
                raise RequestError(msg)
        try:
            return msgspec.convert(_lists_split(self.values, kind), kind, strict=False, dec_hook=_path)
        except msgspec.ValidationError as error:
            raise self._explain(error, kind) from None
        except OptionError as error:
            raise self.locate(error) from None

    def locate(self, error: HeadraceError) -> RequestError:
        """The same error with its place: file and table, flag, or variable."""
        if isinstance(error, OptionError):
            return RequestError(f"{self._place(error.option)}: {error.reason}")
        return RequestError(f"{self.where}: {error.message}")

    def _place(self, option: str) -> str:
        """Where an option stands. A flag and a variable name it themselves."""
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
    """A model's options; `engine` may still have to be guessed.

    Args:
        name: the model's; "" if that has to be guessed too.
        where: for messages.
        values: by option.
    """

    def __init__(self, name: str, where: str, values: Mapping[str, Any]) -> None:
        super().__init__(where, values)
        self.name = name

    def completed(self, name: str, values: Mapping[str, Any]) -> "ModelOptions":
        """The same with a name and further values; what was given keeps its place."""
        options = ModelOptions(name, self.where, values)
        options.origins |= self.origins
        return options

    @property
    def kind(self) -> type[ModelSettings] | None:
        """What `engine` names; None if that is nothing."""
        engine = self.values.get("engine")
        return next((kind for name, kind in ENGINES.items() if name == engine), None)

    def settings(self, otherwise: type[ModelSettings] | None = None) -> ModelSettings:
        """The checked settings of the engine that `engine` names, or `otherwise` if it is not given.

        Raises:
            RequestError: what cannot be used, where it stands, and the way out.
        """
        kind = self.kind if "engine" in self.values else otherwise
        if kind is None:
            engine = self.values.get("engine", "")
            msg = f"{self._place('engine')} is {engine!r}; it must be one of {', '.join(ENGINES)}"
            raise RequestError(msg)
        return self.convert(kind)


class Configuration(msgspec.Struct, frozen=True):
    """Everything that was decided."""

    settings: Settings
    models: list[ModelOptions]


def configure(flags: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Configuration:
    """Read and merge.

    Args:
        flags: by option, None where not given. `config` is a file that must be there; without it,
            headrace.toml is read if it is there. `model` or `upstream` make the only model.
        environment: `HEADRACE_<OPTION>`.

    Raises:
        RequestError: a value that cannot be used: where it stands, and the way out.
    """
    given = _Given(flags, environment)
    file, origin = given.get("config")
    path = Path(file or _DEFAULT_FILE)
    tables = _read(path, origin) if file or path.exists() else {}
    _check(tables, path)
    server = given.over(_Table(f"{path}: [server]", tables.get("server", {})), Settings)
    turns = given.over(_Table(f"{path}: [turns]", tables.get("turns", {})), TurnSettings)
    server.values["turns"] = turns.convert(TurnSettings)
    models = [_model(given, path, name, table) for name, table in tables.get("models", {}).items()]
    if given.get("model")[0] or given.get("upstream")[0] or not models:
        models = [_only_model(given)]
    given.check_flags()
    _check_names(models)
    return Configuration(server.convert(Settings), models)


class _Given:
    """What flags and the environment say."""

    def __init__(self, flags: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self._flags = {option: value for option, value in flags.items() if value is not None}
        self._environment = environment
        self._used = set(CommandLine.__struct_fields__)

    def get(self, option: str) -> tuple[Any, str]:
        """The value and where it stands; None if nobody says anything."""
        if option in self._flags:
            return self._flags[option], f"--{option.replace('_', '-')}"
        variable = f"HEADRACE_{option.upper()}"
        return self._environment.get(variable) or None, variable

    def over(self, table: _Table, kind: type[msgspec.Struct]) -> _Table:
        """The table, overruled in every option of its kind."""
        for option in options_of(kind).values():
            value, origin = self.get(option.name)
            if value is not None and "variable" in option.sources:
                table.put(option.name, value, origin)
                self._used.add(option.name)
        return table

    def check_flags(self) -> None:
        """A flag that changes nothing is a mistake."""
        for option in self._flags:
            if option not in self._used:
                msg = f"--{option.replace('_', '-')}: no model that is served here has this option"
                raise RequestError(msg)


def _model(given: _Given, path: Path, name: str, table: Mapping[str, Any]) -> ModelOptions:
    """A model of the file. Its paths are relative to the file."""
    relative = {
        key: str(path.parent / table[key])
        for key in ("path", "template")
        if isinstance(table.get(key), str) and not is_template(table[key])
    }
    options = ModelOptions(name, f'{path}: [models."{name}"]', {**table, **relative})
    return _overruled(options, given)


def _only_model(given: _Given) -> ModelOptions:
    """The model of `--model` or `--upstream`; with neither, the embedded one."""
    (path, of_path), (url, of_url) = given.get("model"), given.get("upstream")
    if path and url:
        msg = f"{of_path} and {of_url} exclude each other; headrace.toml can name several models"
        raise RequestError(msg)
    if url:
        options = ModelOptions("", f"the models of {of_url}", {})
        options.put("url", url, of_url)
    elif path:
        options = ModelOptions(Path(path).stem.lower(), f"the model of {of_path}", {"engine": "llama"})
        options.put("names", ZAI_NAMES, of_path)
        options.put("path", path, of_path)
    else:
        options = ModelOptions("", "the embedded model", {"engine": "llama"})
    return _overruled(options, given)


def _overruled(options: ModelOptions, given: _Given) -> ModelOptions:
    engine, origin = given.get("engine")
    if engine:
        options.put("engine", engine, origin)
    given.over(options, options.kind or CompletionsSettings)
    return options


def _read(path: Path, origin: str) -> dict[str, Any]:
    with reading(origin, path, RequestError):
        encoded = path.read_bytes()
    try:
        return tomllib.loads(encoded.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid TOML: {error}"
        raise RequestError(msg) from None


def _check(tables: Mapping[str, Any], path: Path) -> None:
    for name, table in tables.items():
        if name not in _TABLES:
            msg = f"{path}: [{name}] is no table that Headrace knows{_closest(name, _TABLES)}"
            raise RequestError(msg)
        if not isinstance(table, dict):
            msg = f"{path}: {name} is {table!r}; it must be a table: [{name}]"
            raise RequestError(msg)
    for name, table in tables.get("models", {}).items():
        if not isinstance(table, dict):
            msg = f'{path}: models.{name} is {table!r}; it must be a table: [models."{name}"]'
            raise RequestError(msg)
        for option, value in table.items():
            if isinstance(value, dict):
                full = f"{name}.{option}"
                msg = f'{path}: [models.{full}]: a name with a dot must stand in quotes: [models."{full}"]'
                raise RequestError(msg)
    if "api_keys" in tables.get("server", {}):
        msg = (
            f"{path}: [server] api_keys: keys do not belong into a file; set HEADRACE_API_KEYS=id.secret[,…]"
        )
        raise RequestError(msg)


def _check_names(models: Iterable[ModelOptions]) -> None:
    """Each name is one model's. Names that are only guessed give way by themselves."""
    owners: dict[str, ModelOptions] = {}
    for options in models:
        names = _lists_split(options.values, ModelSettings).get("names")
        for name in (options.name, *(names if isinstance(names, Sequence) else ())):
            owner = owners.setdefault(str(name).lower(), options)
            if owner is not options:
                msg = f"{options.where}: {name} is a name of {owner.where} too; one name means one model"
                raise RequestError(msg)


def _lists_split(values: Mapping[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    """A list may be given as one string, with commas."""
    lists = {
        field.name for field in msgspec.structs.fields(kind) if get_origin(base_type(field.type)) is tuple
    }
    return {
        name: [part.strip() for part in value.split(",") if part.strip()]
        if name in lists and isinstance(value, str)
        else value
        for name, value in values.items()
    }


def _path(kind: type, value: Any) -> Any:
    return kind(value)


def _closest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"
