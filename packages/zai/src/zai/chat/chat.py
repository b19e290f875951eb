"""`client.chat`: answers whole, streamed, as events, with tools, or fetched later."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Unpack, overload

from headrace.wire.chunk import Chunk
from headrace.wire.completion import Completion, Message
from zai.arguments import NOT_GIVEN, NotGiven
from zai.chat.params import ChatParams, ToolRunParams, chat_request, task_path
from zai.http.http_client import HttpClient
from zai.http.responses import decode_response, decode_task_result
from zai.http.retry import Retries
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
    def create(self, *, stream: Any = NOT_GIVEN, **params: Any) -> Any:
        """Ask the model.

        Returns:
            With `stream` true a `Stream` of chunks, otherwise the whole answer.
        """
        client = self._client
        request = chat_request(client, params, stream=stream)
        retries = Retries(client.max_retries, request.limits)
        response = client.send(request, retries)
        if request.stream:
            return Stream[Chunk](client, request, response, retries)
        return decode_response(Completion, response)

    def stream(self, **params: Unpack[ChatParams]) -> CompletionStream:
        """Ask the model, and get typed events; tool calls flow as the model writes them."""
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
        """Ask the model, make the calls that it wants, tell it the results, until it calls nothing more.

        Args:
            messages: the beginning of the conversation.
            tools: functions; the model learns their signatures and docstrings.
            max_rounds: how many answers the model may give.
            params: as for `create`.
        """

        def start(loop: ToolLoop) -> CompletionStream:
            return self.stream(messages=loop.messages, tools=loop.specs, **params)

        return ToolRun(ToolLoop(messages, tools, max_rounds, allow_async=False), start)


class CompletionTasks:
    """`client.chat.asyncCompletions`: ask now, fetch the answer later."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def create(self, **params: Unpack[ChatParams]) -> AsyncTaskStatus:
        """Ask; the answer has the id under which it can be fetched."""
        request = chat_request(self._client, params, path="/async/chat/completions")
        return decode_response(AsyncTaskStatus, self._client.send(request, Retries(self._client.max_retries)))

    def retrieve_completion_result(self, id: str, **options: Any) -> AsyncCompletion | AsyncTaskStatus:
        """The answer where it is there, otherwise how far it is."""
        request = self._client.request("GET", task_path(id), **options)
        return decode_task_result(self._client.send(request, Retries(self._client.max_retries)))


class Chat:
    """`client.chat`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    @cached_property
    def completions(self) -> Completions:
        """Answers, streamed or whole."""
        return Completions(self._client)

    @cached_property
    def asyncCompletions(self) -> CompletionTasks:  # noqa: N802 - the official name
        """Answers that are fetched later."""
        return CompletionTasks(self._client)
