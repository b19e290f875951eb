"""Samples: requests for chat completions with tools, one JSON object a line."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.errors import RequestError

__all__ = ["SHIPPED", "Sample", "digest_of", "read_samples"]

SHIPPED: Final = Path(__file__).with_name("samples.jsonl")
"""200 requests of everyday assistants, half in English and half in Chinese; a quarter needs no tool."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A request, and the tools that a good answer calls."""

    id: str
    request: dict[str, Any]
    """The fields of the request, but for the model."""
    expected: tuple[str, ...] | None = None
    """The names of the tools, () for an answer without a call; None if that is not known."""

    @property
    def schemas(self) -> dict[str, dict[str, Any]]:
        """The schema of the arguments, by the tool's name."""
        functions = (tool["function"] for tool in self.request.get("tools", ()))
        return {function["name"]: function.get("parameters") or {} for function in functions}


class _Function(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Tool(msgspec.Struct):
    function: _Function


class _Line(msgspec.Struct):
    """What is checked of a line; every other field is sent as it is."""

    messages: list[dict[str, Any]]
    tools: list[_Tool] = []
    id: str = ""
    expected: tuple[str, ...] | None = None


def read_samples(path: Path) -> list[Sample]:
    """Read a file of samples.

    A line is the body of a request: `messages`, `tools` and others. `id` names it in the report (default: its
    line number) and `expected` has the names of the tools that should be called; neither is sent.

    Raises:
        RequestError: the file cannot be read, is empty, or a line is no such object.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise RequestError(f"--verify: cannot read {path}: {error.strerror}") from None
    samples = [_decode(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    ids = {sample.id for sample in samples}
    if len(ids) < len(samples):
        raise RequestError(
            f"--verify: {path} has {len(samples)} samples but {len(ids)} ids; each needs its own"
        )
    if not samples:
        raise RequestError(f"--verify: {path} has no samples; each is a line with a JSON object")
    return samples


def digest_of(samples: Sequence[Sample]) -> str:
    """Return a digest by which two runs of the same samples are known."""
    return sha256(msgspec.json.encode(samples, order="sorted")).hexdigest()[:16]


def _decode(path: Path, number: int, line: bytes) -> Sample:
    try:
        known = msgspec.json.decode(line, type=_Line)
        fields: dict[str, Any] = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"--verify: line {number} of {path}: {error}") from None
    tools = {tool.function.name for tool in known.tools}
    for name in known.expected or ():
        if name not in tools:
            raise RequestError(
                f"--verify: line {number} of {path}: `expected` has {name!r}, which is none of its `tools`"
            )
    request = {
        name: value for name, value in fields.items() if name not in ("id", "expected", "model", "stream")
    }
    return Sample(id=known.id or str(number), request=request, expected=known.expected)
