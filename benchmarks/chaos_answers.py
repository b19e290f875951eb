"""Comparison of the events that a client of `chaos.py` received with those in the turn's log."""

import difflib
from collections.abc import Sequence
from typing import Any, NamedTuple

from headrace.events import Content, Event, Reasoning, ToolCallArguments, ToolCallStart
from zai import AsyncZaiClient

Question = dict[str, Any]


class Answer(NamedTuple):
    """The events that a client received."""

    id: str
    pieces: list[tuple[str, str]]
    finish_reason: str | None
    usage: tuple[int, int, int]

    @property
    def text(self) -> list[tuple[str, str]]:
        """The text, independent of its fragments."""
        joined: list[tuple[str, str]] = []
        for kind, text in self.pieces:
            if joined and joined[-1][0] == kind:
                joined[-1] = (kind, joined[-1][1] + text)
            else:
                joined.append((kind, text))
        return joined


async def read(client: AsyncZaiClient, question: Question, request_id: str) -> Answer:
    """Send a request and read the stream to its end, reconnecting as often as needed."""
    pieces: list[tuple[str, str]] = []
    stream = await client.chat.completions.create(stream=True, request_id=request_id, **question)
    id = ""
    async for chunk in stream:
        id = chunk.id or id
        delta = chunk.choices[0].delta
        if delta.reasoning_content:
            pieces.append(("reasoning", delta.reasoning_content))
        if delta.content:
            pieces.append(("content", delta.content))
        for call in delta.tool_calls or ():
            if call.function.name:
                pieces.append(("call", call.function.name))
            if call.function.arguments:
                pieces.append(("arguments", call.function.arguments))
    usage = stream.usage
    assert usage is not None
    reasoning = usage.completion_tokens_details.reasoning_tokens
    return Answer(id, pieces, stream.finish_reason, (usage.prompt_tokens, usage.completion_tokens, reasoning))


def pieces_of(event: Event) -> list[tuple[str, str]]:
    """Return the parts of an event that a client receives."""
    match event:
        case Reasoning(text):
            return [("reasoning", text)]
        case Content(text):
            return [("content", text)]
        case ToolCallStart(_, name, _, arguments):
            return [("call", name), ("arguments", arguments)]
        case ToolCallArguments(_, text):
            return [("arguments", text)]
        case _:
            return []


def compare(events: Sequence[tuple[str, str]], pieces: Sequence[tuple[str, str]]) -> tuple[int, int]:
    """Count the missing and the repeated events of an answer. A chunk may contain several merged events."""
    logged = [(kind, character) for kind, text in events for character in text]
    got = [(kind, character) for kind, text in pieces for character in text]
    if logged == got:
        return 0, 0
    owner = [number for number, (_, text) in enumerate(events) for _ in text]
    lost: set[int] = set()
    twice = 0
    for tag, low, high, from_, to in difflib.SequenceMatcher(None, logged, got, autojunk=False).get_opcodes():
        if tag in ("delete", "replace"):
            lost.update(owner[low:high])
        if tag in ("insert", "replace"):
            twice += to - from_
    return len(lost), twice
