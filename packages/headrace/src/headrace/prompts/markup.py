"""Markup that a user or a tool wrote is text, and must not become the tokens that tell turns and calls.

Servers read every name of a token in a prompt as that token, whoever wrote it. So the `<` of such a name
is marked while the prompt is rendered, with a character that no text has, and becomes a token of its own
where the server takes tokens (`pieces`); elsewhere it is a `<` again (`plain`). See docs/design/0004.
"""

import re
from functools import cache
from typing import Final

from headrace.formats import Format

__all__ = ["mark", "pieces", "plain"]

_MARK: Final = "\ufdd0"  # a noncharacter: of no use in a text


def mark(text: str, format: Format, tags: frozenset[str] = frozenset()) -> str:
    """The text with every `<` marked that begins a token of the family, or what looks like one.

    Args:
        text: that a user or a tool wrote.
        format: the family.
        tags: that its chat template writes besides.
    """
    return _beginnings(format, tags).sub(_MARK, text)


def pieces(prompt: str, less_than: int) -> list[str | int]:
    """The prompt as texts and tokens; `less_than` is the token of a `<` that is nothing but that."""
    first, *others = prompt.split(_MARK)
    return [first, *(piece for other in others for piece in (less_than, other))]


def plain(prompt: str) -> str:
    """The prompt as one text."""
    return prompt.replace(_MARK, "<")


@cache
def _beginnings(format: Format, tags: frozenset[str]) -> re.Pattern[str]:
    markers = {marker.strip() for _, marker in format.steps} | {*format.stops, *tags}
    names = sorted(re.escape(marker[1:]) for marker in markers if marker.startswith("<"))
    return re.compile("<(?=" + "|".join([r"[|｜][^\s<>]{1,40}[|｜]>", *names]) + ")")
