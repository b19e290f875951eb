"""Escaping of special tokens in the texts of users and tools, so that they remain text.

A tokenizer turns the name of every special token in a prompt into that token. So the bracket that begins such
a name is escaped while the prompt is rendered, as a character that no text contains. For a server that takes
token ids it becomes a token of its own (`PromptEncoder`); for others it is the bracket again (`unescape`).
See docs/design/0004.
"""

import re
from collections.abc import Container, Iterable, Mapping
from functools import cache
from itertools import groupby
from typing import Final

from headrace.formats import Format

__all__ = ["BRACKETS", "ESCAPED", "PromptEncoder", "escape", "unescape"]

BRACKETS: Final = ("<", "[", "]")
"""The first characters of the names of special tokens; MiniMax has `]~b]`."""
ESCAPED: Final = "\ufdd0\ufdd1\ufdd2"
"""What escaped brackets become: Unicode noncharacters, which texts do not contain."""
_ESCAPED: Final = dict(zip(BRACKETS, ESCAPED, strict=True))
# Linear in the text: a name ends at the next bracket.
_NAME: Final = re.compile(r"([<\[\]])(?=([^<>\[\]]++[<>\[\]]))")
# llama.cpp's time is quadratic in the special tokens of one text: a minute for 60,000.
_MOST_NAMES: Final = 16


def escape(text: str, format: Format, names: Container[str] = ()) -> str:
    """Escape every bracket that starts, or seems to start, a special token.

    Args:
        text: written by a user or a tool.
        format: of the model.
        names: further names in brackets: tags of the chat template, special tokens of the vocabulary.
    """
    text = _delimiters(format).sub(lambda match: _ESCAPED[match[0]], text)
    return _NAME.sub(lambda match: _ESCAPED[match[1]] if match[1] + match[2] in names else match[1], text)


class PromptEncoder:
    """The encoder of prompts for a server that accepts a list of texts and token ids.

    Args:
        brackets: the ids of the tokens that are a bracket, as far as known.
        special: the ids of the special tokens by name.
    """

    def __init__(
        self, brackets: Mapping[str, int] | None = None, special: Mapping[str, int] | None = None
    ) -> None:
        brackets = brackets or {}
        self._escaped = {_ESCAPED[bracket]: number for bracket, number in brackets.items()}
        self._unknown = [bracket for bracket in BRACKETS if bracket not in brackets]
        self._special = special or {}
        self._boundaries = re.compile(_any_of([*ESCAPED, *self._special]))

    def encode(self, prompt: str) -> list[str | int]:
        """Split the prompt into texts of few special tokens each, separated by token ids."""
        prompt = unescape(prompt, self._unknown)
        parts: list[str | int] = []
        start, names = 0, 0
        for match in self._boundaries.finditer(prompt):
            token = self._escaped.get(match[0])
            if token is None:
                names = (names + 1) % _MOST_NAMES
                token = None if names else self._special[match[0]]
            if token is not None:
                parts += (prompt[start : match.start()], token)
                start = match.end()
        return [*parts, prompt[start:]]


def unescape(prompt: str, brackets: Iterable[str] = BRACKETS) -> str:
    """Undo `escape`, of some or all brackets."""
    for bracket in brackets:
        prompt = prompt.replace(_ESCAPED[bracket], bracket)
    return prompt


def _any_of(names: list[str]) -> str:
    """Build a pattern: longest name first, grouped by first character so that other text is skipped fast."""
    groups = groupby(sorted(names, key=lambda name: (name[0], -len(name))), key=lambda name: name[0])
    return "|".join(_starting_with(first, [name[1:] for name in group]) for first, group in groups)


def _starting_with(first: str, rests: list[str]) -> str:
    seconds = "".join(re.escape(rest[0]) for rest in rests if rest)
    is_next = f"(?=[{seconds}])" if all(rests) else ""
    return f"{re.escape(first)}{is_next}(?:{'|'.join(map(re.escape, rests))})"


@cache
def _delimiters(format: Format) -> re.Pattern[str]:
    """Build a pattern of the first character of what is markup to a model of this family."""
    delimiters = {delimiter.strip() for _, delimiter in format.transitions} | {*format.stop_tokens}
    rests = {"<": [r"[|｜][^\s<>]{1,40}[|｜]>"]}
    for name in sorted(name for name in delimiters if name.startswith(BRACKETS) and len(name) > 1):
        rests.setdefault(name[0], []).append(re.escape(name[1:]))
    return re.compile("|".join(rf"\{first}(?={'|'.join(following)})" for first, following in rests.items()))
