"""Questions whose answers are known: numbered words, each with a letter that names the generation it is from.

`0a水 1a水 2b水 ` are three words; the third was written by a second generation, which continued the first.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["END", "Question", "generations", "numbers", "word"]

END: Final = "»"
"""The end of a prompt; after it comes the answer so far."""

_WORD: Final = re.compile(r"(\d+)([a-z])水 ")


def word(number: int, generation: int) -> str:
    """Return a word of an answer."""
    return f"{number}{chr(ord('a') + generation % 26)}水 "


def numbers(text: str) -> list[int]:
    """Return the numbers of the complete words of a text."""
    return [int(number) for number, _ in _WORD.findall(text)]


def generations(text: str) -> set[str]:
    """Return the letters of the generations that have written a text."""
    return {letter for _, letter in _WORD.findall(text)}


@dataclass(eq=False)
class Question:
    """A question, what the upstream answers, and what has become of it.

    Args:
        name: unique; also the text of the prompt.
        words: that the upstream writes if nothing limits it.
        expected: the words of the right answer; None if it depends on the moment of a fault.
        reason: the right `finish_reason`.
        pace: seconds per chunk.
        delay: seconds before the first chunk.
        words_per_chunk: each is a token.
        has_ids: whether the upstream reports token ids, if it is asked to.
        counts_tokens: whether the usage is a token for each expected word.
        deadly_after: the number of words after which a generation kills its server; None for a harmless one.
        fields: further fields of the request.
        text: the right answer, if it does not consist of words.
        usage: its tokens of prompt and answer.
    """

    name: str
    words: int = 60
    expected: int | None = 60
    reason: str = "stop"
    pace: float = 0.02
    delay: float = 0.0
    words_per_chunk: int = 1
    has_ids: bool = True
    counts_tokens: bool = True
    deadly_after: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    usage: tuple[int, int] | None = None

    generations: list[int] = field(default_factory=list)
    """The words that each generation was given as the answer so far."""
    repeated: int = 0
    """Generations of words that a reader already had."""
    longest: int = 0
    """The most words that a reader has."""
    ids: list[str] = field(default_factory=list)
    """Of its turns: one, unless the store lost it."""
    is_begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a reader has the id of its turn."""
    is_written: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the upstream has written the complete answer."""
    broken_prefixes: list[str] = field(default_factory=list)
    """Answers so far that are not the beginning of an answer."""

    @property
    def body(self) -> dict[str, Any]:
        """The request, without `stream` and `request_id`."""
        messages = [{"role": "user", "content": self.name}]
        return {"model": "words", "messages": messages, **self.fields}

    def add_id(self, id: str) -> None:
        """Note the id of a turn."""
        if id not in self.ids:
            self.ids.append(id)
            self.is_begun.set()
