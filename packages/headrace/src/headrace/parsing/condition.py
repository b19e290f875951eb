"""Decides whether a delimiter counts, from the text after it: yes, no, or not yet known.

The sequences of a condition become two regular expressions: one matches a complete sequence, the other the
beginning of one at the end of the text. White space and names are bounded, so the lookahead is too.
"""

import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from headrace.formats import MAX_SPACE, Condition, Lookahead
from headrace.parsing.lexer import SPACE, prefix_pattern

__all__ = ["ConditionMatcher"]

_WORD: Final = r"[\w.-]{1,128}+"
_ANY_NAME: Final = f"(?P<name>{_WORD})"
_KNOWN_NAME: Final = r"""(?P<name>[^\s<>"'|:,(){}\[\]]{1,128}+)"""
_SPACE: Final = f"{SPACE}{{0,{MAX_SPACE}}}+"
_BLANKS: Final = rf"[ \t\r]{{0,{MAX_SPACE}}}+"
# Python 3.11 takes long to find a member of an enumeration.
_KNOWN_KEY: Final = Lookahead.KNOWN_KEY
_ANY_NAMED: Final = Lookahead.ANY_NAME
_NAME_AND_KEY: Final = Lookahead.NAME_AND_KEY
_NAMES: Final = (Lookahead.KNOWN_NAME, Lookahead.NAME_AND_KEY, Lookahead.ANY_NAME, _KNOWN_KEY)
_OUTSIDE: Final = (Lookahead.OUTSIDE_STRING,)
_PATTERNS: Final = {
    Lookahead.SPACE: _SPACE,
    Lookahead.WORDS: r"[^<\n]{0,64}+",
    Lookahead.LINE_END: rf"{_BLANKS}\n",
    Lookahead.KNOWN_NAME: _KNOWN_NAME,
    Lookahead.NAME_AND_KEY: _ANY_NAME,
    Lookahead.ANY_NAME: _ANY_NAME,
    Lookahead.KEY: _WORD,
    Lookahead.KNOWN_KEY: _KNOWN_NAME,
    Lookahead.END: "(?!)",  # never certain before the end of the text
}

_Sequence = tuple[str | Lookahead, ...]


class _Alternative(NamedTuple):
    complete: re.Pattern[str]
    beginning: re.Pattern[str]
    name: Lookahead | None
    outside_string: bool


class ConditionMatcher:
    """Matches one condition.

    Args:
        condition: of a transition.
        stop_tokens: tokens that may stand at the end of the output.
        tags: what `Lookahead.TAGS` stands for.
    """

    def __init__(
        self, condition: Condition, stop_tokens: Collection[str], tags: Collection[str] = ()
    ) -> None:
        self._outside_strings = _OUTSIDE in condition
        sequences = [sequence for sequence in condition if sequence != _OUTSIDE]
        nameless = [sequence for sequence in sequences if not _name_in(sequence)]
        groups = [nameless, *([sequence] for sequence in sequences if _name_in(sequence))]
        self._alternatives = [_compile(group, stop_tokens, tags) for group in groups if group]

    def follows(
        self,
        text: str,
        position: int,
        names: Collection[str],
        *,
        keys: Collection[str] = (),
        at_end: bool,
        in_string: bool,
    ) -> bool | None:
        """Return whether the condition holds at `position`; None if more text could decide.

        Args:
            text: the text that has arrived.
            position: the end of the delimiter.
            names: the names of the request's tools.
            keys: the names of the arguments that the current call lacks.
            at_end: no more text follows.
            in_string: the delimiter is inside a string of JSON.
        """
        if self._outside_strings and not in_string:
            return True
        for complete, beginning, name, outside_string in self._alternatives:
            if outside_string and in_string:
                continue
            known = keys if name is _KNOWN_KEY else names
            found = complete.match(text, position)
            if found and (name is None or _is_valid(found["name"], name, known)):
                return True
            found = beginning.match(text, position)
            if found and (name is None or _can_be_valid(found, name, known, at_end=at_end)):
                return at_end or None  # more text decides, even if a later alternative already matches
        return False


def _is_valid(written: str, name: Lookahead, names: Collection[str]) -> bool:
    if name is _NAME_AND_KEY:
        return any(written.startswith(known) for known in names)
    return name is _ANY_NAMED or written in names


def _can_be_valid(found: re.Match[str], name: Lookahead, names: Collection[str], *, at_end: bool) -> bool:
    """Return whether the name in a partial match can still turn out to be a valid one."""
    written, is_complete = found["name"] or "", bool(found["after"])
    if (is_complete or not at_end) and _is_valid(written, name, names):
        return True
    return not is_complete and any(known.startswith(written) for known in names)


def _compile(
    sequences: Sequence[_Sequence], stop_tokens: Collection[str], tags: Collection[str]
) -> _Alternative:
    outside_string = sequences[0][:1] == _OUTSIDE  # such a sequence has a name, and so is alone in its group
    if outside_string:
        sequences = [sequences[0][1:]]
    complete = "|".join(_complete(sequence, tags) for sequence in sequences)
    beginning = "|".join(_beginning(sequence, stop_tokens, tags) for sequence in sequences)
    return _Alternative(
        re.compile(complete), re.compile(rf"(?:{beginning})\Z"), _name_in(sequences[0]), outside_string
    )


def _name_in(sequence: _Sequence) -> Lookahead | None:
    return next((item for item in sequence if item in _NAMES), None)


def _complete(sequence: _Sequence, tags: Collection[str]) -> str:
    patterns = {**_PATTERNS, Lookahead.TAGS: _any_of(tags)}
    return "".join(re.escape(item) if isinstance(item, str) else patterns[item] for item in sequence)


def _any_of(tags: Collection[str]) -> str:
    return f"(?:{_SPACE}(?:{'|'.join(map(re.escape, tags))})){{0,4}}{_SPACE}" if tags else _SPACE


def _beginning(sequence: _Sequence, stop_tokens: Collection[str], tags: Collection[str]) -> str:
    """Return a pattern that matches every beginning of `sequence`, the empty one included."""
    if not sequence:
        return ""
    item, rest = sequence[0], _beginning(sequence[1:], stop_tokens, tags)
    match item:
        case Lookahead.SPACE | Lookahead.WORDS:
            return _PATTERNS[item] + rest
        case Lookahead.TAGS:
            return f"{_any_of(tags)}(?:{'|'.join([*map(prefix_pattern, tags), rest])})"
        case Lookahead.LINE_END:
            return rf"{_BLANKS}(?:\n{rest})?"
        case Lookahead.KEY:
            return f"(?:{_WORD}{rest})?"
        case Lookahead.KNOWN_NAME | Lookahead.NAME_AND_KEY | Lookahead.ANY_NAME | Lookahead.KNOWN_KEY:
            return f"(?:{_PATTERNS[item]}(?P<after>{rest}))?"
        case Lookahead.END:
            return f"(?:{'|'.join(prefix_pattern(token, _SPACE) for token in stop_tokens)})?"
        case _:
            return f"(?:{prefix_pattern(str(item), rest)})?"
