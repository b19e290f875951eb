# Generated from async_chat.py by generate_sync.py: edit that file, and run `make fix`.
"""`client.chat`: complete, streamed, as events, with tools, or as a task."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Unpack, overload

from headrace.wire.chunk import Chunk
from headrace.wire.completion import Completion, Message
from zai.arguments import NOT_GIVEN, NotGiven
from zai.chat_params import ChatParams, ToolRunParams, accepts_chat_params, chat_request, task_path
from zai.http.http_client import HttpClient
from zai.http.request import RequestOptions
from zai.http.responses import decode_response, decode_task_result
from zai.streaming.completion_stream import CompletionStream
from zai.streaming.stream import Stream
from zai.tools.loop import ToolLoop
from zai.tools.run import ToolRun
from zai.types.chat.async_chat_completion import AsyncCompletion, AsyncTaskStatus

__all__ = ["Chat", "CompletionTasks", "Completions"]


class Completions:
    """`client.chat.completions`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    @overload
    def create(self, *, stream: Literal[True], **params: Unpack[ChatParams]) -> Stream[Chunk]: ...
    @overload
    def create(
        self, *, stream: Literal[False] | NotGiven | None = NOT_GIVEN, **params: Unpack[ChatParams]
    ) -> Completion: ...
    @overload
    def create(self, *, stream: bool, **params: Unpack[ChatParams]) -> Completion | Stream[Chunk]: ...
    @accepts_chat_params
    def create(
        self, *, stream: bool | NotGiven | None = NOT_GIVEN, **params: Any
    ) -> Completion | Stream[Chunk]:
        """Send a chat request.

        Returns:
            A `Stream` of chunks if `stream` is true, otherwise the completion.
        """
        request = chat_request(self._client, params, stream=stream)
        if request.stream:
            return Stream.open(self._client, request)
        return decode_response(Completion, self._client.send(request))

    def stream(self, **params: Unpack[ChatParams]) -> CompletionStream:
        """Stream a completion as typed events; arguments of tool calls are streamed too."""
        params.setdefault("tool_stream", bool(params.get("tools")) or NOT_GIVEN)
        return CompletionStream(lambda: self.create(stream=True, **params))

    def run_tools(
        self,
        messages: Sequence[Mapping[str, Any] | Message],
        *,
        tools: Sequence[Callable[..., Any]],
        max_rounds: int = 10,
        **params: Unpack[ToolRunParams],
    ) -> ToolRun:
        """Run a tool loop: call the functions that the model calls, send it the results, and repeat.

        Args:
            messages: the conversation so far.
            tools: functions; their schemas are derived from signatures and docstrings.
            max_rounds: the maximum number of requests.
            params: as for `create`.
        """

        def start(loop: ToolLoop) -> CompletionStream:
            return self.stream(messages=loop.messages, tools=loop.specs, **params)

        return ToolRun(ToolLoop(messages, tools, max_rounds), start)


class CompletionTasks:
    """`client.chat.asyncCompletions`: tasks, whose results are fetched later."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    @accepts_chat_params
    def create(self, **params: Unpack[ChatParams]) -> AsyncTaskStatus:
        """Start a task; its `id` is needed to fetch the result."""
        request = chat_request(self._client, params, path="/async/chat/completions")
        return decode_response(AsyncTaskStatus, self._client.send(request))

    def retrieve_completion_result(
        self, id: str, **options: Unpack[RequestOptions]
    ) -> AsyncCompletion | AsyncTaskStatus:
        """Fetch the completion if there is one already, otherwise the task's status."""
        request = self._client.request("GET", task_path(id), **options)
        return decode_task_result(self._client.send(request))


class Chat:
    """`client.chat`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    @cached_property
    def completions(self) -> Completions:
        """Completions, streamed or not."""
        return Completions(self._client)

    @cached_property
    def asyncCompletions(self) -> CompletionTasks:  # noqa: N802 - zai-sdk's name
        """Tasks, whose results are fetched later."""
        return CompletionTasks(self._client)
