"""The clients for asyncio: `AsyncZaiClient` for api.z.ai, `AsyncZhipuAiClient` for open.bigmodel.cn."""

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Unpack

from zai.async_chat import AsyncChat
from zai.http.async_http_client import AsyncHttpClient
from zai.http.base_client import ZHIPU_URL
from zai.http.request import RequestOptions
from zai.http.responses import decode_response
from zai.types import ModelList

__all__ = ["AsyncModels", "AsyncZaiClient", "AsyncZhipuAiClient"]


class AsyncModels:
    """`client.models`."""

    def __init__(self, client: AsyncHttpClient) -> None:
        self._client = client

    async def list(self, **options: Unpack[RequestOptions]) -> ModelList:
        """List the server's models."""
        request = self._client.request("GET", "/models", **options)
        return decode_response(ModelList, await self._client.send(request))


class AsyncZaiClient(AsyncHttpClient):
    """A client for asyncio of api.z.ai, or of another server at `base_url`."""

    default_headers: ClassVar[Mapping[str, str]] = {"Accept-Language": "en-US,en"}

    @cached_property
    def chat(self) -> AsyncChat:
        """Chat completions."""
        return AsyncChat(self)

    @cached_property
    def models(self) -> AsyncModels:
        """The server's models."""
        return AsyncModels(self)


class AsyncZhipuAiClient(AsyncZaiClient):
    """A client for asyncio of open.bigmodel.cn, or of another server at `base_url`."""

    default_base_url: ClassVar[str] = ZHIPU_URL
    default_headers: ClassVar[Mapping[str, str]] = {}
