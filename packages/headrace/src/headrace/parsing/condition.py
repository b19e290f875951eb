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

_ANY_NAME: Final = r"(?P<name>[\w.-]{1,128}+)"
_KNOWN_NAME: Final = r"""(?P<name>[^\s<>"'|:,(){}\[\]]{1,128}+)"""
_SPACE: Final = f"{SPACE}{{0,{MAX_SPACE}}}+"
_BLANKS: Final = rf"[ \t\r]{{0,{MAX_SPACE}}}+"
_NAMES: Final = (Lookahead.KNOWN_NAME, Lookahead.ANY_NAME, Lookahead.KEY, Lookahead.KNOWN_KEY)
_KNOWN_KEY: Final = Lookahead.KNOWN_KEY
_KNOWN: Final = (Lookahead.KNOWN_NAME, _KNOWN_KEY)
_OUTSIDE: Final = (Lookahead.OUTSIDE_STRING,)
_PATTERNS: Final = {
    Lookahead.SPACE: _SPACE,
    Lookahead.LINE_END: rf"{_BLANKS}\n",
    Lookahead.KNOWN_NAME: _KNOWN_NAME,
    Lookahead.ANY_NAME: _ANY_NAME,
    Lookahead.KEY: _ANY_NAME,
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
    """

    def __init__(self, condition: Condition, stop_tokens: Collection[str]) -> None:
        self._outside_strings = _OUTSIDE in condition
        sequences = [sequence for sequence in condition if sequence != _OUTSIDE]
        nameless = [sequence for sequence in sequences if not _name_in(sequence)]
        groups = [nameless, *([sequence] for sequence in sequences if _name_in(sequence))]
        self._alternatives = [_compile(group, stop_tokens) for group in groups if group]

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
            if found and (name is None or name not in _KNOWN or found["name"] in known):
                return True
            found = beginning.match(text, position)
            if found and (name is None or _can_be_valid(found, name, known, at_end=at_end)):
                return at_end or None  # more text decides, even if a later alternative already matches
        return False


def _can_be_valid(found: re.Match[str], name: Lookahead, names: Collection[str], *, at_end: bool) -> bool:
    """Return whether the name in a partial match can still turn out to be a valid one."""
    written, is_complete = found["name"] or "", bool(found["after"])
    if name is Lookahead.KEY or (name is Lookahead.ANY_NAME and (is_complete or not at_end)):
        return True
    if is_complete:
        return written in names
    return any(known.startswith(written) for known in names)


def _compile(sequences: Sequence[_Sequence], stop_tokens: Collection[str]) -> _Alternative:
    outside_string = sequences[0][:1] == _OUTSIDE  # such a sequence has a name, and so is alone in its group
    if outside_string:
        sequences = [sequences[0][1:]]
    complete = "|".join(map(_complete, sequences))
    beginning = "|".join(_beginning(sequence, stop_tokens) for sequence in sequences)
    return _Alternative(
        re.compile(complete), re.compile(rf"(?:{beginning})\Z"), _name_in(sequences[0]), outside_string
    )


def _name_in(sequence: _Sequence) -> Lookahead | None:
    return next((item for item in sequence if item in _NAMES), None)


def _complete(sequence: _Sequence) -> str:
    return "".join(re.escape(item) if isinstance(item, str) else _PATTERNS[item] for item in sequence)


def _beginning(sequence: _Sequence, stop_tokens: Collection[str]) -> str:
    """Return a pattern that matches every beginning of `sequence`, the empty one included."""
    if not sequence:
        return ""
    item, rest = sequence[0], _beginning(sequence[1:], stop_tokens)
    match item:
        case Lookahead.SPACE:
            return _SPACE + rest
        case Lookahead.LINE_END:
            return rf"{_BLANKS}(?:\n{rest})?"
        case Lookahead.KNOWN_NAME | Lookahead.ANY_NAME | Lookahead.KEY | Lookahead.KNOWN_KEY:
            return f"(?:{_PATTERNS[item]}(?P<after>{rest}))?"
        case Lookahead.END:
            return f"(?:{'|'.join(prefix_pattern(token, _SPACE) for token in stop_tokens)})?"
        case _:
            return f"(?:{prefix_pattern(str(item), rest)})?"
