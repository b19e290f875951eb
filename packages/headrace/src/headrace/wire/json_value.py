"""JSON text of a client → plain values, as `json.loads` reads it, but of bounded depth and without NaN.

This is the only limit of depth: code that walks a decoded value needs at most a few Python frames per level.
"""

import json
import re
from typing import Any, Final

import msgspec

__all__ = ["MAX_DEPTH", "DepthError", "decode_json"]

MAX_DEPTH: Final = 128
"""Levels of objects and lists in a field. OpenAI's structured outputs allow 10."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)


class DepthError(ValueError):
    """The text is nested deeper than `MAX_DEPTH`.

    Args:
        field: the field of the outermost object that is; "" if there is none.
    """

    def __init__(self, field: str) -> None:
        super().__init__(f"{field or 'the text'} is nested more than {MAX_DEPTH} levels deep")


def decode_json(data: bytes | bytearray | str) -> Any:
    """Decode JSON. Numbers beyond a double are infinite; half a surrogate pair becomes U+FFFD.

    Raises:
        DepthError: the text is nested too deeply.
        ValueError: it is not JSON or not UTF-8.
    """
    try:
        value = msgspec.json.decode(data)
    except RecursionError:
        raise DepthError(_deepest_field(data)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        value = _decode_leniently(data, error)
    if _count_opened(data) > MAX_DEPTH:
        for name, item in value.items() if isinstance(value, dict) else [("", value)]:
            if _depth_of(item) > MAX_DEPTH:
                raise DepthError(name)
    return value


def _count_opened(data: bytes | bytearray | str) -> int:
    """Count the brackets that open a level, in strings as well: there are no more levels."""
    if isinstance(data, str):
        return data.count("[") + data.count("{")
    return data.count(b"[") + data.count(b"{")


def _depth_of(value: Any) -> int:
    """Count the levels of objects and lists, up to `MAX_DEPTH + 1`."""
    depth = 0
    level = [value] if isinstance(value, dict | list) else []
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, dict | list)
        ]
    return depth


def _decode_leniently(data: bytes | bytearray | str, reason: Exception) -> Any:
    """Decode what msgspec rejects and `json.loads` does not; otherwise msgspec explains it better."""
    try:
        value = json.loads(data, parse_constant=_reject)
        return json.loads(_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    except RecursionError:
        raise DepthError(_deepest_field(data)) from None
    except ValueError:
        raise ValueError(str(reason)) from None


def _reject(constant: str) -> None:
    raise ValueError(constant)


def _deepest_field(data: bytes | bytearray | str) -> str:
    """Return the first field of the outermost object that is nested too deeply."""
    text = data.decode("utf-8", "replace") if not isinstance(data, str) else data
    depth, field = 0, ""
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                break
        elif token[0] in "]}":
            depth -= 1
        elif depth == 1:
            field = token[0][1:-1]
    return field[:64]
