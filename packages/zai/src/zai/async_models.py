"""`client.models` for asyncio."""

from typing import Any

from zai.http.async_http_client import AsyncHttpClient
from zai.http.responses import decode_response
from zai.http.retry import Retries
from zai.models import ModelList

__all__ = ["AsyncModels"]


class AsyncModels:
    """`client.models` for asyncio."""

    def __init__(self, client: AsyncHttpClient) -> None:
        self._client = client

    async def list(self, **options: Any) -> ModelList:
        """The models; `options` are `extra_headers` and `timeout`."""
        request = self._client.request("GET", "/models", **options)
        return decode_response(ModelList, await self._client.send(request, Retries(self._client.max_retries)))
