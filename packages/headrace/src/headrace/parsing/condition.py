"""Decides whether a delimiter counts, from what follows it: yes, no, or not yet known.

The sequences of a condition become two expressions: one matches the whole of a sequence, the other what
may become it, at the end of the text. White space and names are bounded, so what is looked at is.
"""

import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from headrace.formats import MAX_SPACE, Condition, Lookahead
from headrace.parsing.lexer import SPACE, beginning_of

__all__ = ["ConditionMatcher"]

_ANY_NAME: Final = r"(?P<name>[\w.-]{1,128}+)"
_KNOWN_NAME: Final = r"""(?P<name>[^\s<>"'|:,(){}\[\]]{1,128}+)"""
_SPACE: Final = f"{SPACE}{{0,{MAX_SPACE}}}+"
_BLANKS: Final = rf"[ \t\r]{{0,{MAX_SPACE}}}+"
_WHOLE: Final = {
    Lookahead.SPACE: _SPACE,
    Lookahead.LINE_END: rf"{_BLANKS}\n",
    Lookahead.KNOWN_NAME: _KNOWN_NAME,
    Lookahead.ANY_NAME: _ANY_NAME,
    Lookahead.END: "(?!)",  # never certain before the text has ended
}

_Path = tuple[str | Lookahead, ...]


class _Test(NamedTuple):
    whole: re.Pattern[str]
    beginning: re.Pattern[str]
    name: Lookahead | None


class ConditionMatcher:
    """One condition.

    Args:
        condition: of a transition.
        stops: tokens that may stand at the end of the output.
    """

    def __init__(self, condition: Condition, stops: Collection[str]) -> None:
        self._outside_strings = (Lookahead.NO_STRING,) in condition
        paths = [path for path in condition if path != (Lookahead.NO_STRING,)]
        nameless = [path for path in paths if not _name_in(path)]
        groups = [nameless, *([path] for path in paths if _name_in(path))]
        self._tests = [_test(group, stops) for group in groups if group]

    def follows(
        self, text: str, position: int, names: Collection[str], *, at_end: bool, in_string: bool
    ) -> bool | None:
        """Whether what the condition asks for stands at `position`; None while more text could decide.

        `names` are the tools of the request. With `at_end` no more text will come; with `in_string`
        the delimiter stands inside a string of JSON.
        """
        if self._outside_strings and not in_string:
            return True
        undecided = False
        for whole, beginning, name in self._tests:
            found = whole.match(text, position)
            if found and (name is not Lookahead.KNOWN_NAME or found["name"] in names):
                return True
            found = beginning.match(text, position)
            if found and (name is None or _can_be_named(found, name, names, at_end=at_end)):
                undecided = True
        return (at_end or None) if undecided else False


def _can_be_named(found: re.Match[str], name: Lookahead, names: Collection[str], *, at_end: bool) -> bool:
    """Whether the name in what may become a sequence is one that is asked for, or may become one."""
    written, is_whole = found["name"] or "", bool(found["after"])
    if name is Lookahead.ANY_NAME and (is_whole or not at_end):
        return True
    if is_whole:
        return written in names
    return any(known.startswith(written) for known in names)


def _test(paths: Sequence[_Path], stops: Collection[str]) -> _Test:
    whole = "|".join(map(_whole, paths))
    beginning = "|".join(_beginning(path, stops) for path in paths)
    return _Test(re.compile(whole), re.compile(rf"(?:{beginning})\Z"), _name_in(paths[0]))


def _name_in(path: _Path) -> Lookahead | None:
    return next((item for item in path if item in (Lookahead.KNOWN_NAME, Lookahead.ANY_NAME)), None)


def _whole(path: _Path) -> str:
    return "".join(re.escape(item) if isinstance(item, str) else _WHOLE[item] for item in path)


def _beginning(path: _Path, stops: Collection[str]) -> str:
    """What matches every beginning of `path`, nothing included."""
    if not path:
        return ""
    item, rest = path[0], _beginning(path[1:], stops)
    match item:
        case Lookahead.SPACE:
            return _SPACE + rest
        case Lookahead.LINE_END:
            return rf"{_BLANKS}(?:\n{rest})?"
        case Lookahead.KNOWN_NAME | Lookahead.ANY_NAME:
            return f"(?:{_WHOLE[item]}(?P<after>{rest}))?"
        case Lookahead.END:
            return f"(?:{'|'.join(beginning_of(stop, _SPACE) for stop in stops)})?"
        case _:
            return f"(?:{beginning_of(str(item), rest)})?"
