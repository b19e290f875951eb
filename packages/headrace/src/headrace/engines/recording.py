r"""A trace: one request and its answer as it came, byte for byte and with its timing. JSON, a line each.

    {"path": "chat/completions", "request": {…}, "status": 200, "content_type": "text/event-stream"}
    {"at": 0.213, "text": "data: {…}\n\n"}            seconds since the request; a read as it came
    {"at": 0.217, "base64": "5Lqs"}                    a piece that is cut within a character
    {"at": 0.893, "end": "whole"}                      or "cut": the connection broke, or the reader left

Headers are not kept: there are keys in them.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from headrace.errors import EngineError
from headrace.files import reading

__all__ = ["Piece", "Recording", "read_recording", "write_recording"]


class Piece(msgspec.Struct, frozen=True):
    """What one read brought, `at` seconds after the request."""

    at: float
    data: bytes


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange; `ended_at` in seconds after the request."""

    path: str
    request: Any = None
    status: int = 200
    content_type: str = "text/event-stream"
    retry_after: str = ""
    pieces: Sequence[Piece] = ()
    end: Literal["whole", "cut"] = "whole"
    ended_at: float = 0.0


class _Head(msgspec.Struct, omit_defaults=True):
    path: str
    request: Any = None
    status: int = 200
    content_type: str = "text/event-stream"
    retry_after: str = ""


class _Line(msgspec.Struct, omit_defaults=True):
    at: float
    text: str = ""
    base64: str = ""
    end: Literal["whole", "cut", ""] = ""


def read_recording(path: Path) -> Recording:
    """A trace from its file.

    Raises:
        EngineError: no such file, or no trace.
    """
    with reading("the recording", path):
        encoded = path.read_bytes()
    try:
        head_line, *lines = encoded.splitlines() or [b""]
        head = msgspec.json.decode(head_line, type=_Head)
        said = [msgspec.json.decode(line, type=_Line) for line in lines if line]
    except (msgspec.DecodeError, ValueError) as error:
        msg = f"{path} is not a recording: {error}; `headrace record` makes recordings"
        raise EngineError(msg) from None
    end = next((line for line in said if line.end), _Line(at=0.0, end="cut"))
    return Recording(
        path=head.path,
        request=head.request,
        status=head.status,
        content_type=head.content_type,
        retry_after=head.retry_after,
        pieces=[
            Piece(line.at, line.text.encode() or b64decode(line.base64)) for line in said if not line.end
        ],
        end=end.end or "cut",
        ended_at=end.at,
    )


def write_recording(path: Path, trace: Recording) -> None:
    """A trace to its file, which is whole from its first moment on."""
    head = _Head(trace.path, trace.request, trace.status, trace.content_type, trace.retry_after)
    lines = [head, *map(_line, trace.pieces), _Line(trace.ended_at, end=trace.end)]
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    unfinished.replace(path)


def _line(piece: Piece) -> _Line:
    try:
        return _Line(piece.at, text=piece.data.decode())
    except UnicodeDecodeError:
        return _Line(piece.at, base64=b64encode(piece.data).decode())
