"""Splits streamed Markdown into its top-level blocks. A block that is finished never changes again."""

import re
from typing import Final

__all__ = ["BlockSplitter"]

_PIECE: Final = re.compile(r"[^\n]*\n|[^\n]+")
_FENCE: Final = re.compile(r"\s*(`{3,}|~{3,})(.*)")


class BlockSplitter:
    """Splits text into blocks; joined, they are the text.

    A block ends before the first line after a blank line that is not indented, which would belong to a list
    item. Blank lines in a fenced code block do not end it.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line = ""
        self._fence = ""
        self._is_after_blank = False

    @property
    def tail(self) -> str:
        """The open block."""
        return "".join(self._lines) + self._line

    def feed(self, text: str) -> list[str]:
        """Return the blocks that are finished."""
        blocks = []
        for piece in _PIECE.findall(text):
            if self._is_after_blank and not self._line and piece[0] not in " \t\r\n":
                blocks.append("".join(self._lines))
                self._lines = []
                self._is_after_blank = False
            self._line += piece
            if piece.endswith("\n"):
                self._end_line()
        return blocks

    def finish(self) -> list[str]:
        """Return the last block, if there is one."""
        tail = self.tail
        self.__init__()  # type: ignore[misc]
        return [tail] if tail else []

    def _end_line(self) -> None:
        line, self._line = self._line, ""
        self._lines.append(line)
        found = _FENCE.match(line)
        if self._fence:
            if found and found[1].startswith(self._fence) and not found[2].strip():
                self._fence = ""
        elif found:
            self._fence = found[1]
        elif not line.strip():
            self._is_after_blank = True
        else:
            self._is_after_blank = False
