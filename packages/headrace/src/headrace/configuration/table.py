"""The options of one table of headrace.toml, each with the place where it was set, for error messages."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, get_origin

import msgspec

from headrace.errors import HeadraceError, RequestError
from headrace.models.settings import ENGINES, ModelSettings
from headrace.options import OptionError, base_type, options_of

__all__ = ["ModelOptions", "OptionTable", "closest", "lists_split"]

_Settings = TypeVar("_Settings", bound=msgspec.Struct)


class OptionTable:
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
                msg = f"{self.where}: unknown option {option}{closest(option, kind.__struct_fields__)}"
                raise RequestError(msg)
        try:
            return msgspec.convert(lists_split(self.values, kind), kind, strict=False, dec_hook=_path)
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


class ModelOptions(OptionTable):
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
        given = lists_split(self.values, ModelSettings).get("aliases", ())
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


def lists_split(values: Mapping[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
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


def closest(word: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name, to end an error message: the closest known one, or all."""
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"
