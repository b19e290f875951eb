"""The embedded model: a tiny one of GLM-4.6's architecture, as a GGUF file."""

from importlib.resources import files
from pathlib import Path

__all__ = ["model_path"]


def model_path() -> Path:
    """Where the GGUF file lies."""
    return Path(str(files("headrace_tiny") / "model.gguf"))
