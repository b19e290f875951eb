"""The HTTP server."""

from headrace.models import Model, ModelRegistry
from headrace.server.app import App
from headrace.server.local import LocalServer
from headrace.server.settings import Settings

__all__ = ["App", "LocalServer", "Model", "ModelRegistry", "Settings"]
