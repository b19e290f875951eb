"""The clients for asyncio."""

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

from zai.async_models import AsyncModels
from zai.chat.async_chat import AsyncChat
from zai.http.async_http_client import AsyncHttpClient
from zai.http.base_client import ZHIPU_URL

__all__ = ["AsyncZaiClient", "AsyncZhipuAiClient"]


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
