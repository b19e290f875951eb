# Generated from _async_client.py by generate_sync.py: edit that file, and run `make fix`.
"""The clients: `ZaiClient` for api.z.ai, `ZhipuAiClient` for open.bigmodel.cn."""

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Unpack

from zai.chat import Chat
from zai.http.base_client import ZHIPU_URL
from zai.http.http_client import HttpClient
from zai.http.request import RequestOptions
from zai.http.responses import decode_response
from zai.types import ModelList

__all__ = ["Models", "ZaiClient", "ZhipuAiClient"]


class Models:
    """`client.models`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def list(self, **options: Unpack[RequestOptions]) -> ModelList:
        """List the server's models."""
        request = self._client.request("GET", "/models", **options)
        return decode_response(ModelList, self._client.send(request))


class ZaiClient(HttpClient):
    """A client of api.z.ai, or of another server at `base_url`."""

    default_headers: ClassVar[Mapping[str, str]] = {"Accept-Language": "en-US,en"}

    @cached_property
    def chat(self) -> Chat:
        """Chat completions."""
        return Chat(self)

    @cached_property
    def models(self) -> Models:
        """The server's models."""
        return Models(self)


class ZhipuAiClient(ZaiClient):
    """A client of open.bigmodel.cn, or of another server at `base_url`."""

    default_base_url: ClassVar[str] = ZHIPU_URL
    default_headers: ClassVar[Mapping[str, str]] = {}
