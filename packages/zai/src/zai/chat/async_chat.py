"""`client.chat` for asyncio: answers whole, streamed, as events, with tools, or fetched later."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Unpack, overload

from headrace.wire.chunk import Chunk
from headrace.wire.completion import Completion, Message
from zai.arguments import NOT_GIVEN, NotGiven
from zai.chat.params import ChatParams, ToolRunParams, chat_request, task_path
from zai.http.async_http_client import AsyncHttpClient
from zai.http.responses import decode_response, decode_task_result
from zai.http.retry import Retries
from zai.streaming.async_completion_stream import AsyncCompletionStream
from zai.streaming.async_stream import AsyncStream
from zai.tools.async_run import AsyncToolRun
from zai.tools.loop import ToolLoop
from zai.types.chat.async_chat_completion import AsyncCompletion, AsyncTaskStatus

__all__ = ["AsyncChat", "AsyncCompletionTasks", "AsyncCompletions"]


class AsyncCompletions:
    """`client.chat.completions` for asyncio."""

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
    async def create(self, *, stream: Any = NOT_GIVEN, **params: Any) -> Any:
        """Ask the model.

        Returns:
            With `stream` true a `AsyncStream` of chunks, otherwise the whole answer.
        """
        client = self._client
        request = chat_request(client, params, stream=stream)
        retries = Retries(client.max_retries, request.limits)
        response = await client.send(request, retries)
        if request.stream:
            return AsyncStream[Chunk](client, request, response, retries)
        return decode_response(Completion, response)

    def stream(self, **params: Unpack[ChatParams]) -> AsyncCompletionStream:
        """Ask the model, and get typed events; tool calls flow as the model writes them."""
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
        """Ask the model, make the calls that it wants, tell it the results, until it calls nothing more.

        Args:
            messages: the beginning of the conversation.
            tools: functions; the model learns their signatures and docstrings.
            max_rounds: how many answers the model may give.
            params: as for `create`.
        """

        def start(loop: ToolLoop) -> AsyncCompletionStream:
            return self.stream(messages=loop.messages, tools=loop.specs, **params)

        return AsyncToolRun(ToolLoop(messages, tools, max_rounds, allow_async=True), start)


class AsyncCompletionTasks:
    """`client.chat.asyncCompletions`: ask now, fetch the answer later."""

    def __init__(self, client: AsyncHttpClient) -> None:
        self._client = client

    async def create(self, **params: Unpack[ChatParams]) -> AsyncTaskStatus:
        """Ask; the answer has the id under which it can be fetched."""
        request = chat_request(self._client, params, path="/async/chat/completions")
        return decode_response(
            AsyncTaskStatus, await self._client.send(request, Retries(self._client.max_retries))
        )

    async def retrieve_completion_result(self, id: str, **options: Any) -> AsyncCompletion | AsyncTaskStatus:
        """The answer where it is there, otherwise how far it is."""
        request = self._client.request("GET", task_path(id), **options)
        return decode_task_result(await self._client.send(request, Retries(self._client.max_retries)))


class AsyncChat:
    """`client.chat` for asyncio."""

    def __init__(self, client: AsyncHttpClient) -> None:
        self._client = client

    @cached_property
    def completions(self) -> AsyncCompletions:
        """Answers, streamed or whole."""
        return AsyncCompletions(self._client)

    @cached_property
    def asyncCompletions(self) -> AsyncCompletionTasks:  # noqa: N802 - the official name
        """Answers that are fetched later."""
        return AsyncCompletionTasks(self._client)
