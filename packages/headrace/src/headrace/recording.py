r"""Recordings: a request and its response, byte for byte and with its timing, as JSON lines.

    {"path": "chat/completions", "request": {…}, "status": 200, "content_type": "text/event-stream"}
    {"at": 0.213, "text": "data: {…}\n\n"}            seconds since the request; one read
    {"at": 0.217, "base64": "5Lqs"}                    a read that is not valid UTF-8 by itself
    {"at": 0.893, "end": "whole"}                      or "cut": the connection was lost or closed

Headers are not recorded, since they contain keys.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from headrace.errors import EngineError
from headrace.foreign_errors import reading

__all__ = [
    "RecordedRead",
    "Recording",
    "RecordingHead",
    "RecordingWriter",
    "decode_recording",
    "is_recording",
    "read_recording",
]


class RecordedRead(msgspec.Struct, frozen=True):
    """The bytes of one read, `at` seconds after the request."""

    at: float
    data: bytes


class RecordingHead(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request, and the head of its response."""

    path: str
    request: Any = None
    status: int = 200
    content_type: str = "text/event-stream"
    retry_after: str = ""


class Recording(RecordingHead, frozen=True, kw_only=True):
    """One request and its response; `ended_at` in seconds after the request."""

    reads: Sequence[RecordedRead] = ()
    end: Literal["whole", "cut"] = "whole"
    ended_at: float = 0.0


class _Line(msgspec.Struct, omit_defaults=True):
    at: float
    text: str = ""
    base64: str = ""
    end: Literal["whole", "cut", ""] = ""


def is_recording(encoded: bytes) -> bool:
    """Return whether a file starts as recordings do."""
    return encoded.startswith(b'{"path":')


def decode_recording(encoded: bytes) -> Recording:
    """Decode the contents of a file.

    Raises:
        ValueError: they are not a recording.
    """
    head_line, *lines = encoded.splitlines() or [b""]
    head = msgspec.json.decode(head_line, type=RecordingHead)
    entries = [msgspec.json.decode(line, type=_Line) for line in lines if line]
    end = next((line for line in entries if line.end), _Line(at=0.0, end="cut"))
    return Recording(
        **msgspec.structs.asdict(head),
        reads=[
            RecordedRead(line.at, line.text.encode() or b64decode(line.base64))
            for line in entries
            if not line.end
        ],
        end=end.end or "cut",
        ended_at=end.at,
    )


def read_recording(path: Path) -> Recording:
    """Read a recording from a file.

    Raises:
        EngineError: the file does not exist, or is not a recording.
    """
    with reading("the recording", path):
        encoded = path.read_bytes()
    try:
        return decode_recording(encoded)
    except ValueError as error:
        msg = f"{path} is not a recording: {error}; `headrace record` makes recordings"
        raise EngineError(msg) from None


class RecordingWriter:
    """Writes a recording to a file as it is made. The file gets its name only when the recording is complete.

    Args:
        path: of the file.
        head: the request, and the head of the response.
    """

    def __init__(self, path: Path, head: RecordingHead) -> None:
        self._path = path
        self._unfinished = path.with_suffix(".part")
        self._file = self._unfinished.open("wb")
        self._write(head)

    def write(self, read: RecordedRead) -> None:
        """Add a read."""
        try:
            self._write(_Line(read.at, text=read.data.decode()))
        except UnicodeDecodeError:
            self._write(_Line(read.at, base64=b64encode(read.data).decode()))

    def finish(self, end: Literal["whole", "cut"], at: float) -> None:
        """Add the end, `at` seconds after the request."""
        with self._file:
            self._write(_Line(at, end=end))
        self._unfinished.replace(self._path)

    def _write(self, line: msgspec.Struct) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
