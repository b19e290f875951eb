"""Levels of effort: those of a request → those that a chat template knows, found by rendering probes."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

__all__ = ["EFFORT_VARIABLES", "Efforts", "find_efforts"]

EFFORT_VARIABLES: Final = ("reasoning_effort", "thinking_effort")
"""The names of the level; Kimi has the second one."""

_OFF: Final = ("none", "minimal")  # they disable thinking
_LEVELS: Final = ("low", "medium", "high", "xhigh", "max")
_COMMON: Final = ("low", "medium", "high")  # of OpenAI's first models with levels, such as gpt-oss
_UNKNOWN: Final = "probe-effort"


class Efforts(msgspec.Struct, frozen=True):
    """What the template's variable of the level is.

    Args:
        levels: by the request's level; others remain as they are.
        off: for a request that disables thinking; None if the variable is not set.
    """

    levels: Mapping[str, str] = {}
    off: str | None = None

    @property
    def distinct(self) -> tuple[str, ...]:
        """The levels of a request that do not become another one."""
        off = () if self.off is None else (self.off,)
        return (*off, *(level for level in _LEVELS if level not in self.levels))

    def choose(self, effort: str | None, *, thinking: bool) -> str | None:
        """Return the variable's value for a request; None if it is not set."""
        if not thinking:
            return self.off
        return None if effort in _OFF else self.levels.get(effort or "", effort)


def find_efforts(render: Callable[[str | None, bool], str | None]) -> Efforts:
    """Find out which levels a template knows.

    A level that it rejects becomes the nearest one that it accepts, as does one above "high" if the template
    writes any text, unless it is the template's default.

    Args:
        render: level and whether thinking is enabled → the prompt, or None if the template rejects them.
    """
    default, unknown = render(None, True), render(_UNKNOWN, True)
    prompts = {level: render(level, True) for level in _LEVELS}
    accepted = [level for level, prompt in prompts.items() if prompt is not None]
    if unknown is not None and _UNKNOWN in unknown.casefold():
        accepted = [level for level in accepted if level in _COMMON or prompts[level] == default]
    nearest = {level: _nearest(level, accepted) for level in _LEVELS if accepted}
    without = render(_UNKNOWN, False)
    known = (level for level in _OFF if _is_known(level, render(level, False), without))
    return Efforts({level: other for level, other in nearest.items() if level != other}, next(known, None))


def _nearest(level: str, accepted: list[str]) -> str:
    """Return the nearest level, the higher one of two."""
    at = _LEVELS.index(level)
    return min(accepted, key=lambda other: (abs(at - _LEVELS.index(other)), -_LEVELS.index(other)))


def _is_known(level: str, prompt: str | None, unknown: str | None) -> bool:
    """Return whether the prompt is not what any text would give."""
    if prompt is None or unknown is None:
        return prompt is not None
    return prompt.casefold() != unknown.casefold().replace(_UNKNOWN, level)
