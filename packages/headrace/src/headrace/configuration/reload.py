"""Reading the configuration again: what a running server uses at once, and what it can use after a restart.

An invalid configuration changes nothing.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from headrace.configuration.configure import Configuration
from headrace.configuration.settings import Settings
from headrace.configuration.table import ModelOptions
from headrace.errors import HeadraceError
from headrace.options import OptionError, options_of

__all__ = ["LiveConfiguration", "Merged", "merge"]

S = TypeVar("S", bound=msgspec.Struct)

_LOGGER: Final = logging.getLogger("headrace.configuration")


class LiveConfiguration:
    """The configuration in force.

    Args:
        read: reads it; raises `HeadraceError` if it is invalid.
    """

    def __init__(self, read: Callable[[], Configuration]) -> None:
        self._read = read
        self.value = read()

    def reload(self) -> Settings:
        """Read the configuration again, and log what has changed; return the settings in force."""
        try:
            settings, changes, restart = merge(self.value, self._read())
        except HeadraceError as error:
            _LOGGER.warning("reload: the configuration remains as it was: %s", error.message)
            return self.value.settings
        self.value = msgspec.structs.replace(self.value, settings=settings)
        for change in changes:
            _LOGGER.warning("reload: %s", change)
        if restart:
            _LOGGER.warning("reload: restart the server to change %s", ", ".join(restart))
        if not changes and not restart:
            _LOGGER.info("reload: no option has changed")
        return settings


class Merged(NamedTuple):
    """A configuration that was read again."""

    settings: Settings
    """Those to use: the new values where a running server can change them, otherwise the old ones."""
    changes: list[str]
    """What differs from the old settings. No key is in it."""
    restart: list[str]
    """The options that were changed but need a restart."""


def merge(old: Configuration, new: Configuration) -> Merged:
    """Merge a new configuration into that of a running server.

    Raises:
        OptionError: the new values cannot be combined with the old ones of options that need a restart.
    """
    if bool(old.settings.tls_cert) != bool(new.settings.tls_cert):
        raise OptionError("tls_cert", "restart the server to change between HTTP and HTTPS")
    changes: list[str] = []
    restart: list[str] = []
    settings = _merge(old.settings, new.settings, changes, restart)
    restart += _changed_models(old.models, new.models)
    return Merged(settings, changes, restart)


def _merge(old: S, new: S, changes: list[str], restart: list[str]) -> S:
    """Return the settings to use; list the changes, and the options that need a restart."""
    values: dict[str, Any] = {}
    for name in old.__struct_fields__:
        if isinstance(table := getattr(old, name), msgspec.Struct):
            values[name] = _merge(table, getattr(new, name), changes, restart)
    for name, option in options_of(type(old)).items():
        before, after = getattr(old, name), getattr(new, name)
        can_change = option.reloads or name == "api_keys"  # by api_keys_file; a variable cannot change
        values[name] = after if can_change else before
        if before == after:
            continue
        if not can_change:
            restart.append(name)
        elif name == "api_keys":
            added, removed = len({*after} - {*before}), len({*before} - {*after})
            changes.append(f"API keys: {added} added, {removed} removed")
        else:
            changes.append(f"{name} is {_shown(after)} (was {_shown(before)})")
    if values.get("tls_cert"):
        changes.append(f"the certificate {values['tls_cert']} was read again")
    return msgspec.structs.replace(old, **values)


def _changed_models(old: Iterable[ModelOptions], new: Iterable[ModelOptions]) -> Iterator[str]:
    """Yield the models, or their options, that have changed."""
    before = {model.name: model.values for model in old}
    after = {model.name: model.values for model in new}
    for name in before.keys() ^ after.keys():
        yield f"[models.{name}]"
    for name in before.keys() & after.keys():
        options = {*before[name], *after[name]}
        for option in sorted(
            option for option in options if before[name].get(option) != after[name].get(option)
        ):
            yield f"[models.{name}] {option}"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value) or "empty"
    return f"{value:g}" if isinstance(value, float) else str(value) or "empty"
