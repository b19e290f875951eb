"""`client.models`: which models the server has."""

from typing import Any

from headrace.wire.model import WireModel
from zai.http.http_client import HttpClient
from zai.http.responses import decode_response
from zai.http.retry import Retries

__all__ = ["Model", "ModelList", "Models"]


class Model(WireModel, kw_only=True):
    """One model; `id` is what a request calls it."""

    id: str
    object: str | None = None
    created: int | None = None
    owned_by: str | None = None


class ModelList(WireModel, kw_only=True):
    """All that there are."""

    data: list[Model]
    object: str | None = None


class Models:
    """`client.models`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def list(self, **options: Any) -> ModelList:
        """The models; `options` are `extra_headers` and `timeout`."""
        request = self._client.request("GET", "/models", **options)
        return decode_response(ModelList, self._client.send(request, Retries(self._client.max_retries)))
