"""Finds delimiters in incremental text, and holds back what may be the beginning of one.

Each state has one compiled pattern that matches a complete delimiter or, at the end of the text, a proper
prefix of one. It searches the new text and what was held back, never earlier text.
"""

import re
from collections.abc import Callable, Collection, Iterable

__all__ = ["SPACE", "Lexer", "prefix_pattern"]

SPACE = r"[ \t\r\n]"
"""White space of the markup. Any other, such as the indent of a Chinese paragraph, is text."""


class Lexer:
    """The delimiters of one state. If one is a prefix of another, the longer one takes precedence.

    Args:
        any_text: whether the first text that is neither white space nor a delimiter is an empty match.

    Attributes:
        find: like `re.Pattern.search`: the first delimiter, with `lastindex` set; or, without it, the
            beginning of one at the end of the text.
        find_at_end: the same for the last text of the output, where only complete delimiters match.
    """

    def __init__(self, delimiters: Collection[str], *, any_text: bool = False) -> None:
        text = [f"((?!{SPACE})(?=.))"] if any_text else []
        # `re` searches for a pattern with a literal first character as fast as `str.find`.
        starts = sorted({delimiter[0] for delimiter in delimiters})
        rests = [[delimiter[1:] for delimiter in delimiters if delimiter[0] == start] for start in starts]
        self.find = _compile([*map(_complete_or_cut, starts, rests), *text])
        self.find_at_end = _compile([*map(_complete, starts, rests), *text])


def _compile(patterns: Iterable[str]) -> Callable[[str, int], re.Match[str] | None]:
    return re.compile("|".join(patterns) or "(?!)", re.DOTALL).search


def _complete(start: str, rests: Collection[str]) -> str:
    longest_first = sorted(rests, key=len, reverse=True)
    return f"{re.escape(start)}({'|'.join(map(re.escape, longest_first))})"


def _complete_or_cut(start: str, rests: Collection[str]) -> str:
    longer = [rest for rest in rests if any(rest != other and rest.startswith(other) for other in rests)]
    before = f"{re.escape(start)}{_cut(longer)}|" if longer else ""
    after = f"|{re.escape(start)}{_cut(rests)}" if any(rests) else ""
    return before + _complete(start, rests) + after


def _cut(rests: Collection[str]) -> str:
    prefixes = [prefix_pattern(rest[:-1]) for rest in rests if len(rest) > 1]
    return rf"(?:{'|'.join(prefixes)})?\Z" if prefixes else r"\Z"


def prefix_pattern(word: str, then: str = "") -> str:
    """Return a pattern for every non-empty prefix of `word`, with `then` after the complete word."""
    pattern = then
    for char in reversed(word[1:]):
        pattern = f"(?:{re.escape(char)}{pattern})?"
    return re.escape(word[0]) + pattern
