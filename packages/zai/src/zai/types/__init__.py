"""The types of responses: a list of models; completions are in `zai.types.chat`, as in PyPI's zai-sdk."""

from headrace.wire.model import WireModel

__all__ = ["Model", "ModelList"]


class Model(WireModel, kw_only=True):
    """One model; `id` is its name in requests."""

    id: str
    object: str | None = None
    created: int | None = None
    owned_by: str | None = None


class ModelList(WireModel, kw_only=True):
    """The models that the server serves."""

    data: list[Model]
    object: str | None = None
