"""A conversation with a model: its messages and settings, and the requests that continue it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from headrace.errors import RequestError
from headrace.foreign_errors import reading
from zai import AsyncZaiClient

__all__ = ["Conversation"]


class _Saved(msgspec.Struct):
    """The content of a file of `/save`."""

    model: str
    messages: list[dict[str, Any]]


class Conversation:
    """The messages so far; the model answers the last one.

    Args:
        client: the server.
        model: the model's name.
        system: the system message; "" for none.
        thinking: whether the model may reason before it answers.
        tools: functions that the model can call.
    """

    def __init__(
        self,
        client: AsyncZaiClient,
        model: str,
        *,
        system: str = "",
        thinking: bool = True,
        tools: Sequence[Callable[..., Any]] = (),
    ) -> None:
        self.model = model
        self.thinking = thinking
        self.tools = tools
        self.messages: list[Any] = []
        self._client = client
        self._system = system
        self.clear()

    def clear(self) -> None:
        """Forget all messages except for the system message."""
        self.messages = [{"role": "system", "content": self._system}] if self._system else []

    def start(self, question: str) -> Any:
        """Start an answer: an `AsyncCompletionStream`, or an `AsyncToolRun` if there are tools."""
        messages = [*self.messages, {"role": "user", "content": question}]
        params: dict[str, Any] = {"model": self.model}
        if not self.thinking:
            params["thinking"] = {"type": "disabled"}
        completions = self._client.chat.completions
        if self.tools:
            return completions.run_tools(messages, tools=self.tools, max_rounds=50, **params)
        return completions.stream(messages=messages, **params)

    def add(self, question: str, answer: Any, stopped_at: str | None = None) -> None:
        """Append a question and its answer.

        Args:
            question: the user's message.
            answer: what `start` returned, at its end.
            stopped_at: the content so far, if the answer did not reach its end.
        """
        if self.tools:
            messages = list(answer.messages)  # of the rounds that are complete, and the question
        else:
            messages = [*self.messages, {"role": "user", "content": question}]
            if stopped_at is None:
                messages.append(_plain(answer.snapshot.choices[0].message))
        if stopped_at:
            messages.append({"role": "assistant", "content": stopped_at})
        self.messages = messages

    def save(self, path: Path) -> None:
        """Write the conversation to a file, which is JSON.

        Raises:
            RequestError: the file cannot be written.
        """
        encoded = msgspec.json.encode(_Saved(self.model, list(map(_plain, self.messages))))
        try:
            path.write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")
        except OSError as error:
            raise RequestError(f"cannot write {path}: {error.strerror}; set another path") from None

    def load(self, path: Path) -> None:
        """Continue the conversation of a file.

        Raises:
            RequestError: the file cannot be read, or `/save` did not write it.
        """
        with reading("the conversation", path, RequestError):
            encoded = path.read_bytes()
        try:
            saved = msgspec.json.decode(encoded, type=_Saved)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RequestError(f"{path} is not a conversation that /save wrote: {error}") from None
        self.model = saved.model
        self.messages = list(saved.messages)


def _plain(message: Any) -> dict[str, Any]:
    fields: Mapping[str, Any] = message if isinstance(message, Mapping) else message.to_dict()
    return {name: value for name, value in fields.items() if value is not None}
