"""A regular expression for texts without certain words: llguidance knows no look-ahead in JSON Schemas."""

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["text_without"]

_Trie = dict[str, Any]


def text_without(words: Iterable[str]) -> str:
    """Return an anchored pattern for texts that contain none of the words.

    Only words that begin with `<` count, up to another one or a quote, which JSON escapes: after each `<`, no
    word may be completed.
    """
    tails: _Trie = {}
    for word in words:
        if word.startswith("<"):
            node = tails
            for char in re.split('["<]', word[1:])[0].rstrip():
                node = node.setdefault(char, {})
            node[""] = {}
    return f"^[^<]*(?:<{_other_than(tails)})*$" if tails else ""


def _other_than(tails: _Trie) -> str:
    """Return a pattern for texts without `<` that begin with none of the tails."""
    others = "".join(re.escape(char) for char in sorted(tails))
    continued = (
        re.escape(char) + _other_than(rest) for char, rest in sorted(tails.items()) if "" not in rest
    )
    return f"(?:{'|'.join([f'[^<{others}][^<]*', *continued])})?"
