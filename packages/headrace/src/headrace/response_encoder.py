"""Events → the stream of OpenAI's Responses API, and the response that it ends with.

Pure, and the number of an event depends on the log only: each event of the log becomes a fixed number of
events of the stream. So a stream can be resumed after any number, at any server.

Some clients read `output_item.done`, others the deltas, others the last event: all three are complete and
equal. One item ends before the next begins; text that a model writes within a call follows after the call.
An item that was cut off has no `done` events if its client would act on them: a call, which it would run, and
anything in an answer that failed, which it would keep and get again.
"""

import hashlib
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, assert_never

import msgspec

from headrace.chunks import call_id
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
from headrace.response_items import FUNCTION, MESSAGE, REASONING, Item, Kind, StreamEvent, call_item
from headrace.sse import encode_event, escape_line_ends
from headrace.wire.responses import ResponseForm
from headrace.wire.responses.errors import failure_of
from headrace.wire.responses.tools import find_tool

__all__ = ["ENDINGS", "RESPONSE", "ResponseEncoder", "turn_id_of"]

_ENCODE: Final = msgspec.json.Encoder().encode

ENDINGS: Final = {
    "length": ("incomplete", "max_output_tokens"),
    "model_context_window_exceeded": ("incomplete", "max_output_tokens"),
    "sensitive": ("incomplete", "content_filter"),
    "content_filter": ("incomplete", "content_filter"),
}
"""The status and the reason for a `finish_reason`. Others are `completed`; `network_error` is `failed`."""

RESPONSE: Final = "resp_"
"""What the id of a response begins with; the id of the turn follows."""

_USUAL: Final[dict[Kind, type]] = {MESSAGE: Content, REASONING: Reasoning, FUNCTION: ToolCallArguments}
_TEXTS: Final = {Content: MESSAGE, Reasoning: REASONING}


def turn_id_of(id: str) -> str:
    """Return the id of the turn with this response, or with this item."""
    id = id.removeprefix(RESPONSE)
    prefix, _, rest = id.partition("_")
    return rest.rpartition("_")[0] if prefix.isalpha() and "_" in rest else id


class ResponseEncoder:
    """The encoder of one turn; an `AnswerEncoder`.

    Args:
        id: the turn's.
        created: start of the turn, in seconds since the epoch.
        form: of the response.
        after: the `sequence_number` of the last event that the client has received.
    """

    merges: Final = False
    end: Final = b""

    def __init__(self, id: str, created: int, form: ResponseForm, *, after: int = -1) -> None:
        self.error: HeadraceError | None = None
        self.is_cancelled = False
        """Whether the turn was cancelled: its last event does not show it."""
        self.last_event_at = 0
        self._turn = id
        self._form = form
        self._after = after
        self._frames: list[bytes] = []
        self._count = 0  # events of the stream
        self._output: list[dict[str, Any]] = []
        self._item: Item | None = None
        self._around: tuple[bytes, bytes, bytes] = b"", b"", b""  # number and text of the item's deltas
        self._usual: type | None = None  # of the events that only add text to the item as it is
        self._append: Callable[[str], None]  # adds its text
        self._held: list[Content | Reasoning] = []  # until the call has ended
        self._response: dict[str, Any] = {
            "id": RESPONSE + id,
            "object": "response",
            "created_at": created,
            "status": "queued" if form.fields["background"] else "in_progress",
            "error": None,
            "incomplete_details": None,
            "output": [],
            "usage": None,
            **form.fields,
        }

    @property
    def missing(self) -> str:
        """See `AnswerEncoder`."""
        self._begin()
        if self._count > self._after:
            return ""
        return f"starting_after is {self._after}; the last event of this response is {self._count - 1}"

    @property
    def response(self) -> dict[str, Any]:
        """The response so far."""
        begun = [self._item.build("in_progress")] if self._item else []
        return {**self._response, "output": self._response["output"] or [*self._output, *begun]}

    def begin(self) -> bytes:
        """Encode `response.created` and those after it, if that has not happened."""
        self._begin()
        return self._take()

    def skip(self, events: Iterable[Event]) -> None:
        """Receive events without encoding them."""
        after, self._after = self._after, sys.maxsize
        for event in events:
            self._encode(event)
        self._after = after

    def encode_frame(self, event: Event, *, is_first: bool = False) -> bytes | None:  # noqa: ARG002
        """Encode the next event as the events of the stream that it causes; None for none."""
        if type(event) is self._usual and self._count > self._after:
            self._append(event.text)  # type: ignore[union-attr]
            self.last_event_at = 0
            start, before, after = self._around
            self._count = (number := self._count) + 1
            return b"%b%d%b%b%b" % (start, number, before, escape_line_ends(_ENCODE(event.text)), after)  # type: ignore[union-attr]
        self._encode(event)
        return self._take() or None

    def keep_alive(self, text: str, silence: float) -> bytes:  # noqa: ARG002
        """Repeat `response.in_progress` with the last number: comments do not keep Codex waiting."""
        self._begin()
        return self._take() or self._frame(
            ("response.in_progress", {"response": self._response}), self._count - 1
        )

    # --- the events of the log --------------------------------------------------------------------------

    def _encode(self, event: Event) -> None:
        self._begin()
        match event:
            case Content() | Reasoning():
                self._add_text(event)
            case ToolCallStart(index=index, name=name, arguments=arguments):
                self._close_all()
                # A model's own id may be that of an earlier call, whose result a client would look up.
                tool, id = find_tool(self._form.names, name), call_id(self._turn, index)
                self._open(call_item(tool, id, self._turn, len(self._output)))
                self._add(arguments)
            case ToolCallArguments(text=text):
                self._add(text)
            case ToolCallEnd():
                self._close("completed")
            case Finish():
                self._finish(event)
            case Text() | Progress():
                pass
            case _:
                assert_never(event)

    def _add_text(self, event: Content | Reasoning) -> None:
        kind = _TEXTS[type(event)]
        if self._item is not None and self._item.is_call:
            self._held.append(event)
            return
        if self._item is None or self._item.kind is not kind:
            self._close_all()
            index = len(self._output)
            fields: dict[str, Any] = {"role": "assistant"} if kind is MESSAGE else {}
            if kind is REASONING and self._form.encrypted:
                fields["encrypted_content"] = _opaque(f"{self._turn}_{index}")
            self._open(Item(kind, self._turn, index, fields))
        self._add(event.text)

    def _open(self, item: Item) -> None:
        self._item = item
        self._usual, self._append = _USUAL.get(item.kind), item.texts.append
        self._emit_all(item.begin())
        type = f"{item.kind.text}.delta"
        fields = _json({**item.place, "delta": "", **item.kind.deltas})
        before, _, after = fields.partition(b'"delta":""')
        start = f'event: {type}\ndata: {{"type":"{type}","sequence_number":'.encode()
        self._around = start, b"," + before[1:] + b'"delta":', after + b"\n\n"

    def _add(self, text: str) -> None:
        if self._item is not None and (data := self._delta_frame(self._item.add(text))):
            self._frames.append(data)

    def _delta_frame(self, text: str) -> bytes:
        if not text:
            return b""
        self._count += 1
        if self._count - 1 <= self._after:
            return b""
        start, before, after = self._around
        return b"%b%d%b%b%b" % (start, self._count - 1, before, _json(text), after)

    def _close_all(self) -> None:
        while self._item is not None:
            self._close("completed")

    def _close(self, status: str, *, has_end: bool = True) -> None:
        """End the item that is being written, if there is one, and write what was held back for it."""
        item, self._item, self._usual = self._item, None, None
        if item is None:
            return
        if has_end:
            if data := self._delta_frame(item.rest()):
                self._frames.append(data)
            self._emit_all(item.end(status))
        self._output.append(item.build(status))
        held, self._held = self._held, []
        for event in held:
            self._add_text(event)

    def _finish(self, event: Finish) -> None:
        status, reason = ENDINGS.get(event.reason, ("completed", ""))
        if self.is_cancelled:
            status, reason = "cancelled", ""
        elif event.error or event.reason == "network_error":
            status, reason = "failed", ""
            self._response["error"] = failure_of(self.error or EngineError(event.error or "the model failed"))
        is_failure = status in ("failed", "cancelled")
        while self._item is not None:
            is_cut = is_failure or self._item.is_cut or (self._item.is_call and status != "completed")
            item_status = "completed" if status == "completed" and not is_cut else "incomplete"
            self._close(item_status, has_end=not is_cut)
        self._response |= {
            "status": status,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": self._output,
            "usage": _usage(event.usage),
        }
        self._emit((f"response.{status}", {"response": self._response}))

    # --- the events of the stream -----------------------------------------------------------------------

    def _begin(self) -> None:
        if self._count:
            return
        self._emit(("response.created", {"response": self._response}))
        if self._response["status"] == "queued":
            self._emit(("response.queued", {"response": self._response}))
            self._response["status"] = "in_progress"
        self._emit(("response.in_progress", {"response": self._response}))

    def _emit_all(self, events: Iterable[StreamEvent]) -> None:
        for event in events:
            self._emit(event)

    def _emit(self, event: StreamEvent) -> None:
        if self._count > self._after:
            self._frames.append(self._frame(event, self._count))
        self._count += 1

    @staticmethod
    def _frame(event: StreamEvent, number: int) -> bytes:
        type, fields = event
        return encode_event(_json({"type": type, "sequence_number": number, **fields}), event=type)

    def _take(self) -> bytes:
        frames, self._frames = self._frames, []
        self.last_event_at = sum(map(len, frames[:-1]))
        return b"".join(frames)


def _json(value: object) -> bytes:
    return escape_line_ends(_ENCODE(value))


def _usage(usage: TokenUsage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.completion,
    }


def _opaque(id: str) -> str:
    """Return text without a meaning: the summary has the reasoning."""
    return hashlib.blake2b(id.encode(), digest_size=24).hexdigest()
