"""The clients: `ZaiClient` for api.z.ai, `ZhipuAiClient` for open.bigmodel.cn, either for any other host."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from zai.chat.chat import Chat
from zai.http.base_client import ZHIPU_URL
from zai.http.http_client import HttpClient
from zai.http.responses import decode_response
from zai.http.retry import Retries
from zai.types.models import ModelList

__all__ = ["Models", "ZaiClient", "ZhipuAiClient"]


class Models:
    """`client.models`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def list(self, **options: Any) -> ModelList:
        """List the models; `options` are `extra_headers` and `timeout`."""
        request = self._client.request("GET", "/models", **options)
        return decode_response(ModelList, self._client.send(request, Retries(self._client.max_retries)))


class ZaiClient(HttpClient):
    """Talks to api.z.ai, or to `base_url`."""

    default_headers: ClassVar[Mapping[str, str]] = {"Accept-Language": "en-US,en"}

    @cached_property
    def chat(self) -> Chat:
        """Chat completions."""
        return Chat(self)

    @cached_property
    def models(self) -> Models:
        """The models that the server has."""
        return Models(self)


class ZhipuAiClient(ZaiClient):
    """Talks to open.bigmodel.cn, or to `base_url`."""

    default_base_url: ClassVar[str] = ZHIPU_URL
    default_headers: ClassVar[Mapping[str, str]] = {}
