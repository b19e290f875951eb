"""JSON text → the structs of the wire: strict decoding first, then a lenient fallback.

Strict decoding accepts what Z.ai and Headrace send. On an unknown or a missing field, a wrong type, a raw
control character or invalid UTF-8, the same structs are built from plain JSON: absent fields are None,
unknown fields and plain values of a wrong type are kept. Fields of other APIs are copied to Z.ai's
(`wire/variants.py`).
"""

import json
from typing import Any, Final, TypeVar

import msgspec

from headrace.errors import DecodeError
from headrace.sse import DONE
from headrace.wire.build import build_model
from headrace.wire.chunk import Chunk
from headrace.wire.model import WireModel
from headrace.wire.variants import standardize_chunk, standardize_completion

__all__ = [
    "STRICT_ERRORS",
    "decode_chunk",
    "decode_model",
    "decode_object",
    "decode_strict_chunk",
    "is_complete_json",
]

_Model = TypeVar("_Model", bound=WireModel)

STRICT_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What strict decoding raises."""

decode_strict_chunk: Final = msgspec.json.Decoder(Chunk).decode
"""Strict decoding alone, for a caller that treats every non-conforming chunk separately."""


def decode_chunk(data: bytes, *, has_output: bool = False) -> Chunk:
    """Decode the data of an SSE event.

    Args:
        data: JSON.
        has_output: whether an earlier chunk had output, which a whole message repeats.

    Raises:
        DecodeError: `data` is not a JSON object.
    """
    try:
        return decode_strict_chunk(data)
    except STRICT_ERRORS:
        value = decode_object(data)
    standardize_chunk(value, has_output=has_output)
    return build_model(Chunk, value)


def decode_model(model: type[_Model], data: bytes) -> _Model:
    """Decode any struct of the wire.

    Raises:
        DecodeError: `data` is not a JSON object.
    """
    try:
        return msgspec.json.decode(data, type=model)
    except STRICT_ERRORS:
        value = decode_object(data)
    standardize_completion(value)
    return build_model(model, value)


def decode_object(data: bytes) -> dict[str, Any]:
    """Decode plain JSON; control characters, NaN and invalid UTF-8 are accepted.

    Raises:
        DecodeError: `data` is not a JSON object.
    """
    try:
        try:
            value = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = json.loads(data.decode("utf-8", "replace"), strict=False)
            # JSON can escape half a surrogate pair; UTF-8 cannot encode it.
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        msg = f"expected a JSON object, got {_show(data)} ({error})"
        raise DecodeError(msg) from None
    if not isinstance(value, dict):
        msg = f"expected a JSON object, got {_show(data)}"
        raise DecodeError(msg)
    return value


def is_complete_json(data: bytes) -> bool:
    """Check whether the last event of a stream is complete although it lacks its blank line.

    The standard drops such an event, but servers end their streams so, and JSON shows that nothing is lost.
    """
    if data.strip() == DONE:
        return True
    try:
        decode_object(data)
    except DecodeError:
        return False
    return True


def _show(data: bytes) -> str:
    text = data.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= 80 else text[:77] + "…")
