"""JSON text of a client → plain values, as `json.loads` reads it, but of bounded depth and without NaN.

This is the only limit of depth: code that walks a decoded value needs at most a few Python frames per level.
It is also the only limit of the number of values: decoding them is one call, during which nothing else runs.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import msgspec

__all__ = ["MAX_DEPTH", "MAX_SYMBOLS", "DepthError", "SizeError", "decode_json"]

MAX_DEPTH: Final = 128
"""Levels of objects and lists in a field. OpenAI's structured outputs allow 10."""

MAX_SYMBOLS: Final = 100_000
"""Strings, opening brackets and commas of a text. They take 10 ms to decode."""

# One search takes a millisecond at most, and other threads run between two: hence the limits of repetition.
# All alternatives begin with a literal, which makes the search for one fast.
_PIECE: Final = 16_384  # characters to search at once
_IN_STRING: Final = rb'(?:[^"\\]{1,16384}+|\\.){0,64}+("?)'
_SYMBOL: Final = re.compile(rb'\[|\{|,|"' + _IN_STRING, re.DOTALL)
_BRACKET: Final = re.compile(rb'\[|\{|\]|\}|"' + _IN_STRING, re.DOTALL)
_REST_OF_STRING: Final = re.compile(_IN_STRING, re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NAME: Final = re.compile(rb'"((?:[^"\\]|\\.){0,64})', re.DOTALL)


class DepthError(ValueError):
    """The text is nested deeper than `MAX_DEPTH`.

    Args:
        field: the field of the outermost object that is; "" if there is none.
    """

    def __init__(self, field: str) -> None:
        super().__init__(f"{field or 'the text'} is nested more than {MAX_DEPTH} levels deep")


class SizeError(ValueError):
    """The text has more values than `MAX_SYMBOLS` allows."""

    def __init__(self) -> None:
        super().__init__(f"more than {MAX_SYMBOLS} strings, brackets and commas; send fewer values")


def decode_json(data: bytes | bytearray | str) -> Any:
    """Decode JSON. Numbers beyond a double are infinite; half a surrogate pair becomes U+FFFD.

    Raises:
        SizeError: the text has too many values.
        DepthError: the text is nested too deeply.
        ValueError: it is not JSON or not UTF-8.
    """
    if len(data) > MAX_SYMBOLS and _count_symbols(data) > MAX_SYMBOLS:
        raise SizeError
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
    return len(data) - len(data.translate(None, b"[{"))  # faster than two counts


def _count_symbols(data: bytes | bytearray | str) -> int:
    """Count up to `MAX_SYMBOLS + 1`."""
    return sum(1 for _ in islice(_find_outside(_SYMBOL, _bytes(data)), MAX_SYMBOLS + 1))


def _bytes(data: bytes | bytearray | str) -> bytes | bytearray:
    return data.encode("utf-8", "replace") if isinstance(data, str) else data


def _find_outside(symbol: re.Pattern[bytes], text: bytes | bytearray) -> Iterator[int]:
    """Find where strings begin, and the symbols outside of them: each is about a value."""
    position = 0
    while position < len(text):
        found = symbol.search(text, position, position + _PIECE)
        if found is None:
            position += _PIECE
            continue
        yield found.start()
        position = found.end()
        while found and found[1] == b"" and position < len(text):  # a long string
            found = _REST_OF_STRING.match(text, position)
            position = max(found.end(), position + 1) if found else len(text)


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
        return _without_surrogates(json.loads(data, parse_constant=_reject))
    except RecursionError:
        raise DepthError(_deepest_field(data)) from None
    except ValueError:
        raise ValueError(str(reason)) from None


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if not isinstance(value, str) or value.isascii():
        return value
    pieces = (value[at : at + _PIECE] for at in range(0, len(value), _PIECE))
    return "".join(_SURROGATE.sub("\ufffd", piece) for piece in pieces)


def _reject(constant: str) -> None:
    raise ValueError(constant)


def _deepest_field(data: bytes | bytearray | str) -> str:
    """Return the first field of the outermost object that is nested too deeply."""
    text = _bytes(data)
    depth = field = 0
    for position in _find_outside(_BRACKET, text):
        if text[position] in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                break
        elif text[position] in b"]}":
            depth -= 1
        elif depth == 1:
            field = position
    name = _NAME.match(text, field)
    return name[1].decode("utf-8", "replace") if name else ""
