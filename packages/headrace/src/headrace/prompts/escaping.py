"""Markup that a user or a tool wrote is text, and must not become the tokens that tell turns and calls.

Servers read every name of a token in a prompt as that token, whoever wrote it. So the `<` of such a name
is marked while the prompt is rendered, with a character that no text has, and becomes a token of its own
where the server takes tokens (`PromptEncoder`); elsewhere it is a `<` again (`plain`). See docs/design/0004.
"""

import re
from collections.abc import Mapping
from functools import cache
from itertools import groupby
from typing import Final

from headrace.formats import Format

__all__ = ["PromptEncoder", "mark", "plain"]

_MARK: Final = "\ufdd0"  # a noncharacter: of no use in a text
# llama.cpp's time grows with the square of the special tokens that one text names: a minute for 60,000.
_MOST_NAMES: Final = 16


def mark(text: str, format: Format, tags: frozenset[str] = frozenset()) -> str:
    """The text with every `<` marked that begins a token of the family, or what looks like one.

    Args:
        text: that a user or a tool wrote.
        format: the family.
        tags: that its chat template writes besides.
    """
    return _beginnings(format, tags).sub(_MARK, text)


class PromptEncoder:
    """Cuts prompts into texts and tokens, for a server that takes both.

    Args:
        less_than: the token of a `<` that is nothing but that; None if it is not known.
        special: the tokens that tell turns and calls, by their names.
    """

    def __init__(self, less_than: int | None = None, special: Mapping[str, int] | None = None) -> None:
        self._less_than = less_than
        self._special = special or {}
        self._cuts = re.compile(_any_of([_MARK, *self._special]))

    def cut(self, prompt: str) -> list[str | int]:
        """Texts of a few special tokens each, and a token between every two."""
        if self._less_than is None:
            prompt = plain(prompt)
        parts: list[str | int] = []
        begin, names = 0, 0
        for match in self._cuts.finditer(prompt):
            token = self._special.get(match[0], self._less_than)
            if match[0] != _MARK:
                names = (names + 1) % _MOST_NAMES
                token = None if names else token
            if token is not None:
                parts += (prompt[begin : match.start()], token)
                begin = match.end()
        return [*parts, prompt[begin:]]


def _any_of(names: list[str]) -> str:
    """The longest first; by their first characters, which are few, so that other text is passed over fast."""
    ordered = sorted(names, key=lambda name: (name[0], -len(name)))
    groups = groupby(ordered, key=lambda name: name[0])
    return "|".join(
        f"{re.escape(first)}(?:{'|'.join(re.escape(name[1:]) for name in group)})" for first, group in groups
    )


def plain(prompt: str) -> str:
    """The prompt as one text."""
    return prompt.replace(_MARK, "<")


@cache
def _beginnings(format: Format, tags: frozenset[str]) -> re.Pattern[str]:
    delimiters = {delimiter.strip() for _, delimiter in format.transitions} | {*format.stop_tokens, *tags}
    names = sorted(re.escape(delimiter[1:]) for delimiter in delimiters if delimiter.startswith("<"))
    return re.compile("<(?=" + "|".join([r"[|｜][^\s<>]{1,40}[|｜]>", *names]) + ")")
