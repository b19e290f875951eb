"""The turn store of workers whose operator has named none: a SQLite file of their own."""

from pathlib import Path

import msgspec

from headrace.configuration import Configuration, Settings

__all__ = ["has_private_store", "with_private_store"]

_FILE = "turns.sqlite"


def with_private_store(configuration: Configuration, directory: Path) -> Configuration:
    """Replace a memory store, which processes cannot share, by a file in the directory."""
    settings = configuration.settings
    if settings.turns.store != "memory":
        return configuration
    turns = msgspec.structs.replace(settings.turns, store=_store_in(directory))
    return msgspec.structs.replace(configuration, settings=msgspec.structs.replace(settings, turns=turns))


def has_private_store(settings: Settings, directory: Path) -> bool:
    """Return whether the store is the file in the directory: its turns end with the workers."""
    return settings.turns.store == _store_in(directory)


def _store_in(directory: Path) -> str:
    return f"sqlite:{directory / _FILE}"
