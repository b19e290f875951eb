"""The application of a configuration, with its models loaded."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from headrace.cli.banner import Loaded, banner
from headrace.configuration import Configuration, ModelOptions
from headrace.errors import HeadraceError
from headrace.foreign_errors import needs_extra
from headrace.models import ModelRegistry
from headrace.models.loading import load_model
from headrace.server import memory
from headrace.server.app import App

__all__ = ["Served", "load"]


class Served(NamedTuple):
    """An application, and what to print when it is ready."""

    app: App
    banner: str


def load(configuration: Configuration, url: str) -> Served:
    """Load all models of a configuration; `url`: where the server listens.

    Raises:
        HeadraceError: one of them cannot be loaded.
    """
    memory.limit_arenas()
    loaded = [one for options in configuration.models for one in _load(options)]
    registry = ModelRegistry([one.model for one in loaded])
    app = App(registry, configuration.settings)
    return Served(app, banner(loaded, registry, configuration, url))


def _load(options: ModelOptions) -> list[Loaded]:
    """Load the model that the options describe, or each model of the server that they name."""
    discovered: Sequence[tuple[ModelOptions, Sequence[str]]] = [(options, ())]
    if options.values.get("url") and not (options.name and "engine" in options.values):
        with needs_extra("upstream"):
            from headrace.configuration.discovery import discover_models
        discovered = [(model.options, model.notes) for model in discover_models(options, os.environ)]
    loaded: list[Loaded] = []
    for complete, notes in discovered:
        settings = complete.settings()
        try:
            loaded.append(Loaded(load_model(complete.name, settings), settings, notes))
        except HeadraceError as error:
            raise complete.locate(error) from None
    return loaded
