"""The models to serve, loaded from settings: an engine, its output format and its chat template."""

from headrace.models.registry import Model, ModelRegistry

__all__ = ["Model", "ModelRegistry"]
