"""Events → the stream of Anthropic's Messages API. Pure: a replay of the same events gives the same blocks.

    message_start
    content_block_start, content_block_delta …, content_block_stop      any number of times
    message_delta, message_stop                                         or error, also within a block

Blocks are numbered from 0 in their order, and at most one is open. A block begins with the first event of its
kind and ends with the first one of another kind.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, assert_never

import msgspec

from headrace.errors import EngineError, HeadraceError
from headrace.events import (
    Content,
    Event,
    Finish,
    Progress,
    Reasoning,
    Text,
    TokenUsage,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
)
from headrace.sse import encode_comment, encode_event, escape_line_ends
from headrace.wire.messages.errors import stream_error

__all__ = ["MessageEncoder", "message_id"]

Payload = dict[str, Any]

_ENCODE: Final = msgspec.json.Encoder().encode
_DELTAS: Final = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}
"""The type of a block's deltas, and the field with their text."""

_STOP_REASONS: Final = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "model_context_window_exceeded": "model_context_window_exceeded",
    "sensitive": "refusal",
}
_QUIET: Final = 240.0
"""Seconds without an event after which deltas are sent: pings keep Claude Code waiting for 600 only."""

_THINKING: Final = {"type": "thinking", "thinking": "", "signature": ""}
_PING: Final = encode_event(b'{"type":"ping"}', event="ping")


class MessageEncoder:
    """The encoder of one turn.

    Args:
        id: the turn's id, from which the ids of the message and of its calls are derived.
        model: the model's name in the request.
        input_tokens: returns the number of the prompt's tokens as far as it is known; 0 if it is not.
        shows_thinking: whether thinking blocks have a text.
    """

    merges: Final = True
    missing: Final = ""
    end: Final = b""

    def __init__(
        self,
        id: str,
        model: str,
        input_tokens: Callable[[], int] = lambda: 0,
        *,
        shows_thinking: bool = True,
    ) -> None:
        self.error: HeadraceError | None = None
        self.is_cancelled = False
        self.last_event_at = 0
        self._id = id
        self._model = model
        self._input_tokens = input_tokens
        self._shows_thinking = shows_thinking
        self._has_begun = False
        self._index = -1  # of the latest block
        self._has_filler = False  # the open block was opened during a silence, and has no event yet
        self._is_shifted = False  # there was such a block, so that only this stream has these numbers
        self._kind = ""  # of the open block; "" if none is open
        self._key: object = None  # of the events that continue the open block
        self._around_text = b"", b""  # the frame of its deltas, before and after the text
        self._signature = hashlib.blake2b()

    def begin(self) -> bytes:
        """Return `message_start`; nothing the next time."""
        return _frame(self._begin())[0]

    def skip(self, events: Sequence[Event]) -> None:
        """Follow the blocks that the client has received."""
        for event in events:
            self.encode(event)

    def encode_frame(self, event: Event, *, is_first: bool = False) -> bytes | None:  # noqa: ARG002
        """Return the SSE events of an event; None for none.

        Of a delta, only the text is encoded: the bytes before and after it are the same within a block.
        """
        kind: object = type(event)
        if kind is ToolCallArguments:
            kind = event.index  # type: ignore[union-attr]
        if kind == self._key and (self._kind != "thinking" or self._shows_thinking):
            text = event.text  # type: ignore[union-attr]
            if kind is Reasoning:
                self._signature.update(text.encode())
            before, after = self._around_text
            self.last_event_at = -1 if self._is_shifted else 0
            return before + escape_line_ends(_ENCODE(text)) + after
        frame, last_event_at = _frame(self.encode(event))
        self.last_event_at = -1 if self._is_shifted else last_event_at
        return frame or None

    def encode(self, event: Event) -> list[Payload]:
        """Return the data of the SSE events of an event."""
        match event:
            case Content(text):
                return [*self._switch("text", Content, {"type": "text", "text": ""}), self._delta(text)]
            case Reasoning(text):
                if self._has_filler:
                    self._key, self._has_filler = Reasoning, False
                payloads = self._switch("thinking", Reasoning, _THINKING)
                self._signature.update(text.encode())
                return [*payloads, self._delta(text)] if self._shows_thinking else payloads
            case ToolCallStart(index, name, _, arguments):
                block: Payload = {"type": "tool_use", "id": self._call_id(index), "name": name, "input": {}}
                payloads = self._switch("tool_use", index, block)
                return [*payloads, self._delta(arguments)] if arguments else payloads
            case ToolCallArguments(_, text):
                return [*self._begin(), self._delta(text)]
            case ToolCallEnd():
                return self._close()
            case Finish():
                return [*self._begin(), *self._finish(event)]
            case Text() | Progress():
                return []
            case _:
                assert_never(event)

    def keep_alive(self, text: str, silence: float) -> bytes:
        """Return a ping, and an empty delta if pings alone would not keep the client waiting.

        Before the first event, a thinking block is opened for it. If the answer then does not begin with
        thinking, the client cannot resume this stream: in any other one, the blocks have other numbers.
        """
        comment = b"" if text == "keep-alive" else encode_comment(text)
        if silence < _QUIET and not (self._kind == "thinking" and not self._shows_thinking):
            return self.begin() + comment + _PING
        payloads = self._begin()
        if self._index < 0:
            payloads += self._switch("thinking", Reasoning, _THINKING)
            self._key, self._has_filler = None, True
        if self._kind:
            payloads.append(self._delta(""))
        return comment + _PING + _frame(payloads)[0]

    def _begin(self) -> list[Payload]:
        if self._has_begun:
            return []
        self._has_begun = True
        message: Payload = {
            "id": message_id(self._id),
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(TokenUsage(prompt=self._input_tokens())),
        }
        return [{"type": "message_start", "message": message}]

    def _switch(self, kind: str, key: object, block: Payload) -> list[Payload]:
        """Open a block unless it is open."""
        if self._key == key and self._kind:
            return []
        payloads = [*self._begin(), *self._close()]
        self._index += 1
        self._kind, self._key = kind, key
        self._signature = hashlib.blake2b(key=self._id.encode()[:64], digest_size=32)
        frame, _ = _frame([self._delta("")])
        before, _, after = frame.rpartition(b'""')
        self._around_text = before, after
        payloads.append({"type": "content_block_start", "index": self._index, "content_block": block})
        return payloads

    def _delta(self, text: str) -> Payload:
        kind, name = _DELTAS[self._kind]
        return {"type": "content_block_delta", "index": self._index, "delta": {"type": kind, name: text}}

    def _close(self) -> list[Payload]:
        """Close the open block."""
        if not self._kind:
            return []
        payloads: list[Payload] = []
        if self._kind == "thinking":
            delta = {"type": "signature_delta", "signature": self._signature.hexdigest()}
            payloads.append({"type": "content_block_delta", "index": self._index, "delta": delta})
        self._is_shifted |= self._has_filler
        self._kind, self._key, self._has_filler = "", None, False
        payloads.append({"type": "content_block_stop", "index": self._index})
        return payloads

    def _finish(self, finish: Finish) -> list[Payload]:
        if finish.error or finish.reason == "network_error":
            # The open block stays open: clients run the call of one that is closed.
            error = stream_error(self.error or EngineError(finish.error or "the answer is not complete"))
            return [{"type": "error", "error": error}]
        reason = _STOP_REASONS.get(finish.reason, "end_turn")
        if finish.stop and reason == "end_turn":
            reason = "stop_sequence"
        stop = finish.stop if reason == "stop_sequence" else None
        delta = {"stop_reason": reason, "stop_sequence": stop}
        return [
            *self._close(),
            {"type": "message_delta", "delta": delta, "usage": _usage(finish.usage)},
            {"type": "message_stop"},
        ]

    def _call_id(self, index: int) -> str:
        """Return an id that no other answer has: clients lose results if a model repeats its own ids."""
        return f"toolu_{hashlib.blake2b(f'{self._id}:{index}'.encode(), digest_size=12).hexdigest()}"


def message_id(turn_id: str) -> str:
    """Return the id of the message of a turn."""
    return f"msg_{turn_id}"


def _usage(usage: TokenUsage) -> dict[str, int]:
    return {
        "input_tokens": max(usage.prompt - usage.cached, 0),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.completion,
    }


def _frame(payloads: Iterable[Payload]) -> tuple[bytes, int]:
    """Encode SSE events, and return where the last one begins."""
    frames = [encode_event(escape_line_ends(_ENCODE(one)), event=one["type"]) for one in payloads]
    return b"".join(frames), sum(map(len, frames[:-1]))
