"""A regular expression for texts without certain words: llguidance knows no look-ahead in JSON Schemas."""

import re
from collections.abc import Iterable
from typing import Any, Final

__all__ = ["text_without"]

_Trie = dict[str, Any]
_STARTS: Final = ("<", "[")
_TAIL_END: Final = re.compile(r'["<\[]')


def text_without(words: Iterable[str]) -> str:
    """Return an anchored pattern for texts that contain none of the words; "" for any text.

    Only words that begin with `<` or `[` count, up to a quote, which JSON escapes, or another such character:
    after each of these characters, no word may be completed.
    """
    tails: dict[str, _Trie] = {}
    for word in words:
        tail = _TAIL_END.split(word[1:])[0].rstrip() if word.startswith(_STARTS) else ""
        if tail:
            node = tails.setdefault(word[0], {})
            for char in tail:
                node = node.setdefault(char, {})
            node[""] = {}
    starts = "".join(map(re.escape, sorted(tails)))
    parts = (re.escape(start) + _other_than(trie, starts) for start, trie in sorted(tails.items()))
    return f"^[^{starts}]*(?:{'|'.join(parts)})*$" if tails else ""


def _other_than(tails: _Trie, starts: str) -> str:
    """Return a pattern for texts without the start characters that begin with none of the tails."""
    others = "".join(re.escape(char) for char in sorted(tails))
    continued = (
        re.escape(char) + _other_than(rest, starts) for char, rest in sorted(tails.items()) if "" not in rest
    )
    return f"(?:{'|'.join([f'[^{starts}{others}][^{starts}]*', *continued])})?"
