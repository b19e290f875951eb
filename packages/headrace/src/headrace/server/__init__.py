"""The HTTP server."""

from headrace.configuration.settings import Settings
from headrace.models import Model, ModelRegistry
from headrace.server.app import App
from headrace.server.local import LocalServer

__all__ = ["App", "LocalServer", "Model", "ModelRegistry", "Settings"]
