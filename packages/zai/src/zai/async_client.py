"""The clients for asyncio."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from zai.chat.async_chat import AsyncChat
from zai.http.async_http_client import AsyncHttpClient
from zai.http.base_client import ZHIPU_URL
from zai.http.responses import decode_response
from zai.http.retry import Retries
from zai.types.models import ModelList

__all__ = ["AsyncModels", "AsyncZaiClient", "AsyncZhipuAiClient"]


class AsyncModels:
    """`client.models` for asyncio."""

    def __init__(self, client: AsyncHttpClient) -> None:
        self._client = client

    async def list(self, **options: Any) -> ModelList:
        """List the models; `options` are `extra_headers` and `timeout`."""
        request = self._client.request("GET", "/models", **options)
        return decode_response(ModelList, await self._client.send(request, Retries(self._client.max_retries)))


class AsyncZaiClient(AsyncHttpClient):
    """Talks to api.z.ai, or to `base_url`, in asyncio."""

    default_headers: ClassVar[Mapping[str, str]] = {"Accept-Language": "en-US,en"}

    @cached_property
    def chat(self) -> AsyncChat:
        """Chat completions."""
        return AsyncChat(self)

    @cached_property
    def models(self) -> AsyncModels:
        """The models that the server has."""
        return AsyncModels(self)


class AsyncZhipuAiClient(AsyncZaiClient):
    """Talks to open.bigmodel.cn, or to `base_url`, in asyncio."""

    default_base_url: ClassVar[str] = ZHIPU_URL
    default_headers: ClassVar[Mapping[str, str]] = {}
