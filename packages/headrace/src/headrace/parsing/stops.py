"""Stop strings: text in, text out, and nothing from the first stop string on."""

from collections.abc import Iterable

from headrace.parsing.lexer import Lexer

__all__ = ["StopMatcher"]


class StopMatcher:
    """Ends a text at the first of some strings, wherever the pieces cut it.

    Holds back only what may be the beginning of a stop string. Where two begin at the same place,
    the shorter one counts: it is complete first.

    Args:
        stops: the strings; empty ones are never found.

    Attributes:
        matched: the stop string that came; "" before.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        stops = sorted({stop for stop in stops if stop}, key=len)
        shortest = [stop for place, stop in enumerate(stops) if not any(map(stop.startswith, stops[:place]))]
        self.matched = ""
        self._lexer = Lexer(shortest)
        self._held = ""

    def feed(self, text: str) -> str:
        """What can leave."""
        if self.matched:
            return ""
        text, self._held = self._held + text, ""
        found = self._lexer.find(text, 0)
        if found is None:
            return text
        if found.lastindex:
            self.matched = found.group()
        else:
            self._held = found.group()
        return text[: found.start()]

    def finish(self) -> str:
        """No more text will come: what was held back."""
        text, self._held = self._held, ""
        found = self._lexer.find_at_end(text, 0)
        if found is None:
            return text
        self.matched = found.group()
        return text[: found.start()]
