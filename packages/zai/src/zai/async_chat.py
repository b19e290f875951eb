"""`client.chat` for asyncio: complete, streamed, as events, with tools, or as a task."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Unpack, overload

from headrace.wire.chunk import Chunk
from headrace.wire.completion import Completion, Message
from zai.arguments import NOT_GIVEN, NotGiven
from zai.chat_params import ChatParams, ToolRunParams, accepts_chat_params, chat_request, task_path
from zai.http.async_http_client import AsyncHttpClient
from zai.http.request import RequestOptions
from zai.http.responses import decode_response, decode_task_result
from zai.streaming.async_completion_stream import AsyncCompletionStream
from zai.streaming.async_stream import AsyncStream
from zai.tools.async_run import AsyncToolRun
from zai.tools.loop import ToolLoop
from zai.types.chat.async_chat_completion import AsyncCompletion, AsyncTaskStatus

__all__ = ["AsyncChat", "AsyncCompletionTasks", "AsyncCompletions"]


class AsyncCompletions:
    """`client.chat.completions`."""

    def __init__(self, client: AsyncHttpClient) -> None:
        self._client = client

    @overload
    async def create(self, *, stream: Literal[True], **params: Unpack[ChatParams]) -> AsyncStream[Chunk]: ...
    @overload
    async def create(
        self, *, stream: Literal[False] | NotGiven | None = NOT_GIVEN, **params: Unpack[ChatParams]
    ) -> Completion: ...
    @overload
    async def create(
        self, *, stream: bool, **params: Unpack[ChatParams]
    ) -> Completion | AsyncStream[Chunk]: ...
    @accepts_chat_params
    async def create(
        self, *, stream: bool | NotGiven | None = NOT_GIVEN, **params: Any
    ) -> Completion | AsyncStream[Chunk]:
        """Send a chat request.

        Returns:
            An `AsyncStream` of chunks if `stream` is true, otherwise the completion.
        """
        request = chat_request(self._client, params, stream=stream)
        if request.stream:
            return await AsyncStream.open(self._client, request)
        return decode_response(Completion, await self._client.send(request))

    def stream(self, **params: Unpack[ChatParams]) -> AsyncCompletionStream:
        """Stream a completion as typed events; arguments of tool calls are streamed too."""
        params.setdefault("tool_stream", bool(params.get("tools")) or NOT_GIVEN)
        return AsyncCompletionStream(lambda: self.create(stream=True, **params))

    def run_tools(
        self,
        messages: Sequence[Mapping[str, Any] | Message],
        *,
        tools: Sequence[Callable[..., Any]],
        max_rounds: int = 10,
        **params: Unpack[ToolRunParams],
    ) -> AsyncToolRun:
        """Run a tool loop: call the functions that the model calls, send it the results, and repeat.

        Args:
            messages: the conversation so far.
            tools: functions; their schemas are derived from signatures and docstrings.
            max_rounds: the maximum number of requests.
            params: as for `create`.
        """

        def start(loop: ToolLoop) -> AsyncCompletionStream:
            return self.stream(messages=loop.messages, tools=loop.specs, **params)

        return AsyncToolRun(ToolLoop(messages, tools, max_rounds), start)


class AsyncCompletionTasks:
    """`client.chat.asyncCompletions`: tasks, whose results are fetched later."""

    def __init__(self, client: AsyncHttpClient) -> None:
        self._client = client

    @accepts_chat_params
    async def create(self, **params: Unpack[ChatParams]) -> AsyncTaskStatus:
        """Start a task; its `id` is needed to fetch the result."""
        request = chat_request(self._client, params, path="/async/chat/completions")
        return decode_response(AsyncTaskStatus, await self._client.send(request))

    async def retrieve_completion_result(
        self, id: str, **options: Unpack[RequestOptions]
    ) -> AsyncCompletion | AsyncTaskStatus:
        """Fetch the completion if there is one already, otherwise the task's status."""
        request = self._client.request("GET", task_path(id), **options)
        return decode_task_result(await self._client.send(request))


class AsyncChat:
    """`client.chat`."""

    def __init__(self, client: AsyncHttpClient) -> None:
        self._client = client

    @cached_property
    def completions(self) -> AsyncCompletions:
        """Completions, streamed or not."""
        return AsyncCompletions(self._client)

    @cached_property
    def asyncCompletions(self) -> AsyncCompletionTasks:  # noqa: N802 - zai-sdk's name
        """Tasks, whose results are fetched later."""
        return AsyncCompletionTasks(self._client)
