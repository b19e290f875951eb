"""Finds delimiters in text that comes in pieces, and holds back what may be the beginning of one.

One compiled pattern a state matches either a whole delimiter or, at the end of the text, a true prefix
of one. It is searched in the piece (and what was held back), never in the text so far.
"""

import re
from collections.abc import Callable, Collection, Iterable

__all__ = ["SPACE", "Lexer", "beginning_of"]

SPACE = r"[ \t\r\n]"
"""Protocol white space. Any other, such as the indent of a Chinese paragraph, is text."""


class Lexer:
    """Knows the delimiters of one state. Where one begins with another, the longer one is meant.

    Args:
        any_text: the first text that is neither white space nor a delimiter is an empty match.

    Attributes:
        find: as `re.Pattern.search`: the first delimiter, with `lastindex` set; or, without it, what
            may become one, at the end of the text.
        find_at_end: the same where no more text will come, so that a beginning is no delimiter.
    """

    def __init__(self, delimiters: Collection[str], *, any_text: bool = False) -> None:
        text = [f"((?!{SPACE})(?=.))"] if any_text else []
        # A pattern that begins with a character is searched for at the speed of `str.find`.
        starts = sorted({delimiter[0] for delimiter in delimiters})
        rests = [[delimiter[1:] for delimiter in delimiters if delimiter[0] == start] for start in starts]
        self.find = _compile([*map(_whole_or_cut, starts, rests), *text])
        self.find_at_end = _compile([*map(_whole, starts, rests), *text])


def _compile(patterns: Iterable[str]) -> Callable[[str, int], re.Match[str] | None]:
    return re.compile("|".join(patterns) or "(?!)", re.DOTALL).search


def _whole(start: str, rests: Collection[str]) -> str:
    longest_first = sorted(rests, key=len, reverse=True)
    return f"{re.escape(start)}({'|'.join(map(re.escape, longest_first))})"


def _whole_or_cut(start: str, rests: Collection[str]) -> str:
    longer = [rest for rest in rests if any(rest != other and rest.startswith(other) for other in rests)]
    before = f"{re.escape(start)}{_cut(longer)}|" if longer else ""
    after = f"|{re.escape(start)}{_cut(rests)}" if any(rests) else ""
    return before + _whole(start, rests) + after


def _cut(rests: Collection[str]) -> str:
    beginnings = [beginning_of(rest[:-1]) for rest in rests if len(rest) > 1]
    return rf"(?:{'|'.join(beginnings)})?\Z" if beginnings else r"\Z"


def beginning_of(word: str, then: str = "") -> str:
    """A pattern for each beginning of `word` that is not empty, and for what comes `then` after the whole."""
    pattern = then
    for char in reversed(word[1:]):
        pattern = f"(?:{re.escape(char)}{pattern})?"
    return re.escape(word[0]) + pattern
