"""What is served: settings become models, a model is an engine and how to speak with it."""

from headrace.models.catalogue import Catalogue, Model

__all__ = ["Catalogue", "Model"]
