"""The terminal: finished output above, which scrolls away, and a tail below, which is repainted.

The tail is never taller than the terminal, so that erasing it never touches the scrollback. Its lines do not
wrap, so that its height is known even where a terminal draws an emoji wider than Unicode defines it.
"""

from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment

from headrace.visible import make_visible

__all__ = ["Screen"]

_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_ERASE_BELOW: Final = "\x1b[J"


class _Visible:
    """Makes what a renderable shows visible: Markdown can contain `&#x202e;`."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            yield (
                segment if segment.control else Segment(make_visible(segment.text, lines=True), segment.style)
            )


class Screen:
    """Prints renderables to a console.

    Args:
        console: a terminal. Without cursor control (`TERM=dumb`), there is no tail.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._has_tail = not console.is_dumb_terminal
        self._tail_height = 0

    @property
    def capacity(self) -> int:
        """The number of cells of the terminal: a longer tail is not visible as a whole."""
        return self._console.width * self._console.height

    def print(self, block: RenderableType) -> None:
        """Print finished output in place of the tail."""
        self._write("".join([self._erasure(), *(f"{line}\n" for line in self._render(block))]))

    def show_tail(self, block: RenderableType) -> None:
        """Show the last lines of unfinished output in place of the tail."""
        if not self._has_tail:
            return
        lines = self._render(block)[1 - self._console.height :]
        erasure = self._erasure()
        self._tail_height = len(lines)
        self._write(erasure + _NO_WRAP + "\n".join(lines) + _WRAP)

    def erase_tail(self) -> None:
        """Remove the tail."""
        self._write(self._erasure())

    def _erasure(self) -> str:
        """Return what moves the cursor to the start of the tail and erases it."""
        height, self._tail_height = self._tail_height, 0
        if not height:
            return ""
        up = f"\x1b[{height - 1}A" if height > 1 else ""
        return f"\r{up}{_ERASE_BELOW}"

    def _render(self, block: RenderableType) -> list[str]:
        """Return the lines, without blank ones at both ends."""
        with self._console.capture() as captured:
            self._console.print(_Visible(block))
        lines = [line.rstrip() for line in captured.get().split("\n")]
        while lines and not lines[-1]:
            lines.pop()
        while lines and not lines[0]:
            lines.pop(0)
        return lines or [""]

    def _write(self, text: str) -> None:
        if text:
            self._console.file.write(text)
            self._console.file.flush()
