"""The model that Headrace carries."""

from headrace.models.loading import load_model
from headrace.models.registry import Model
from headrace.models.settings import LlamaSettings

__all__ = ["embedded_model"]


def embedded_model(*, slots: int = 4, context: int = 0) -> Model:
    """The embedded model, loaded; see `LlamaSettings`.

    Raises:
        EngineError: headrace-tiny or llama.cpp is not installed.
    """
    return load_model("", LlamaSettings(slots=slots, context=context))
