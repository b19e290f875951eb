"""Escaping of special tokens in the texts of users and tools, so that they remain text.

A tokenizer turns the name of every special token in a prompt into that token. So the `<` of such a name is
escaped while the prompt is rendered, as a character that no text contains. For a server that accepts token
ids it becomes a token of its own (`PromptEncoder`); for others it is a `<` again (`unescape`). See
docs/design/0004.
"""

import re
from collections.abc import Mapping
from functools import cache
from itertools import groupby
from typing import Final

from headrace.formats import Format

__all__ = ["PromptEncoder", "escape", "unescape"]

_ESCAPED: Final = "\ufdd0"  # a Unicode noncharacter; not used in texts
# llama.cpp's time is quadratic in the special tokens of one text: a minute for 60,000.
_MOST_NAMES: Final = 16


def escape(text: str, format: Format, tags: frozenset[str] = frozenset()) -> str:
    """Escape every `<` that starts, or seems to start, a special token.

    Args:
        text: written by a user or a tool.
        format: of the model.
        tags: further tags of the model's chat template.
    """
    return _special_tokens(format, tags).sub(_ESCAPED, text)


class PromptEncoder:
    """The encoder of prompts for a server that accepts a list of texts and token ids.

    Args:
        less_than: the id of the token `<`; None if unknown.
        special: the ids of the special tokens by name.
    """

    def __init__(self, less_than: int | None = None, special: Mapping[str, int] | None = None) -> None:
        self._less_than = less_than
        self._special = special or {}
        self._boundaries = re.compile(_any_of([_ESCAPED, *self._special]))

    def encode(self, prompt: str) -> list[str | int]:
        """Split the prompt into texts of few special tokens each, separated by token ids."""
        if self._less_than is None:
            prompt = unescape(prompt)
        parts: list[str | int] = []
        start, names = 0, 0
        for match in self._boundaries.finditer(prompt):
            token = self._special.get(match[0], self._less_than)
            if match[0] != _ESCAPED:
                names = (names + 1) % _MOST_NAMES
                token = None if names else token
            if token is not None:
                parts += (prompt[start : match.start()], token)
                start = match.end()
        return [*parts, prompt[start:]]


def _any_of(names: list[str]) -> str:
    """Build a pattern: longest name first, grouped by first character so that other text is skipped fast."""
    ordered = sorted(names, key=lambda name: (name[0], -len(name)))
    groups = groupby(ordered, key=lambda name: name[0])
    return "|".join(
        f"{re.escape(first)}(?:{'|'.join(re.escape(name[1:]) for name in group)})" for first, group in groups
    )


def unescape(prompt: str) -> str:
    """Undo `escape`."""
    return prompt.replace(_ESCAPED, "<")


@cache
def _special_tokens(format: Format, tags: frozenset[str]) -> re.Pattern[str]:
    delimiters = {delimiter.strip() for _, delimiter in format.transitions} | {*format.stop_tokens, *tags}
    names = sorted(re.escape(delimiter[1:]) for delimiter in delimiters if delimiter.startswith("<"))
    return re.compile("<(?=" + "|".join([r"[|｜][^\s<>]{1,40}[|｜]>", *names]) + ")")
