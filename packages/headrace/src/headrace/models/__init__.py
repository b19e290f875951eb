"""What is served: settings become models, a model is an engine and how to speak with it."""

from headrace.models.registry import Model, ModelRegistry

__all__ = ["Model", "ModelRegistry"]
