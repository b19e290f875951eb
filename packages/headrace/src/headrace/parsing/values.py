"""What the bare text of a value is, string or JSON, by the types that it may have.

What is decided on the beginning of a value stays decided on a longer one: cuts make no difference.
"""

import re
from json.encoder import encode_basestring
from typing import Final, Literal

import msgspec

from headrace.parsing.lexer import SPACE
from headrace.parsing.schema import JsonTypes

__all__ = ["decide", "literal"]

_MAX_HELD: Final = 64  # characters; a double has at most 25
_SPACE_CHARACTERS: Final = " \t\r\n"
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_BEGINS: Final = re.compile(rf'"?-?(?:[0-9][0-9.eE+-]*"?{SPACE}*)?')
_WORDS: Final = {
    "true": ("boolean", "true"),
    "false": ("boolean", "false"),
    "null": ("null", "null"),
    # Models that saw much Python write these.
    "True": ("boolean", "true"),
    "False": ("boolean", "false"),
    "None": ("null", "null"),
}
_CONTAINERS: Final = {"{": "object", "[": "array"}
# How an object or array begins where no string can be meant …
_OPENS: Final = {
    "{": re.compile(rf"""\{{{SPACE}*(?:["'}}]|\\")"""),
    "[": re.compile(rf"""\[{SPACE}*(?:[\[\]{{"'0-9-]|\\"|true|false|null|True|False|None)"""),
}
# … and where one can: `[draft] text`, `[1] a source`, `{}`.
_OPENS_SURELY: Final = {
    "{": re.compile(rf"""\{{{SPACE}*["']"""),
    "[": re.compile(rf"""(?:\[{SPACE}*)+(?:["']|\{{{SPACE}*["']|(?:[0-9.eE+-]+|true|false|null){SPACE}*,)"""),
}


def decide(held: str, kinds: frozenset[str]) -> Literal["string", "json", "undecided"]:
    """What the beginning of a value tells about it.

    Sure of an object or array as soon as it opens like one. A scalar is undecided until its end,
    when `literal` reads it; but what grows longer than any scalar can only be a string.
    """
    start = held.lstrip(_SPACE_CHARACTERS)
    if len(held) - len(start) > _MAX_HELD:
        return "string"
    if not start:
        return "undecided"
    if _CONTAINERS.get(start[0]) in kinds:
        opens = _OPENS_SURELY if "string" in kinds else _OPENS
        if opens[start[0]].match(start[:_MAX_HELD]):
            return "json"
    elif "string" in kinds and not _can_be_scalar(start, kinds):
        return "string"
    return "string" if len(start) > _MAX_HELD else "undecided"


def literal(held: str, kinds: JsonTypes) -> str:
    """The JSON of a value that was held to its end. What is of no allowed type is a string."""
    text = held.strip(_SPACE_CHARACTERS)
    if text not in kinds.strings:
        scalar = _scalar(text, kinds.names)
        if scalar:
            return scalar
        # `"7"` is how a model says that it means no number, or all that it knows about quotes.
        inner = _scalar(text[1:-1], kinds.names) if text[:1] == text[-1:] == '"' else ""
        if inner:
            return text if "string" in kinds.names else inner
        if _CONTAINERS.get(text[:1]) in kinds.names and _is_json(text):
            return text
    return encode_basestring(held)


def _can_be_scalar(start: str, kinds: frozenset[str]) -> bool:
    if "number" in kinds and _NUMBER_BEGINS.fullmatch(start):
        return True
    quote = '"' if start[0] == '"' else ""
    text = start.rstrip(_SPACE_CHARACTERS)
    return any((quote + word + quote).startswith(text) for word, (kind, _) in _WORDS.items() if kind in kinds)


def _scalar(text: str, kinds: frozenset[str]) -> str:
    """The JSON of a number, a boolean or null; "" for what is none that is allowed."""
    if "number" in kinds and _NUMBER.fullmatch(text):
        return text
    kind, word = _WORDS.get(text, ("", ""))
    return word if kind in kinds else ""


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True
