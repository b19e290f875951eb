"""Shows the events of an answer: finished blocks once, the open one as the tail."""

from typing import Any, Final

from rich.console import RenderableType
from rich.markdown import Markdown
from rich.text import Text

from headrace.cli.chat.blocks import BlockSplitter
from headrace.cli.chat.screen import Screen
from headrace.visible import make_visible

__all__ = ["AnswerView"]

_MAX_RESULT: Final = 200  # characters of a tool's result


class AnswerView:
    """The view of one answer.

    Args:
        screen: where it is shown.
    """

    def __init__(self, screen: Screen) -> None:
        self.content = ""
        """The content of the current round, also if the answer was stopped."""
        self.reason = ""
        """The `finish_reason`."""
        self._screen = screen
        self._blocks = BlockSplitter()
        self._is_reasoning = False
        self._call = ""

    def feed(self, event: Any) -> None:
        """Print what an event of the SDK finishes."""
        match event.type:
            case "reasoning.delta":
                self._feed_text(event.delta, is_reasoning=True)
            case "content.delta":
                self.content += event.delta
                self._feed_text(event.delta, is_reasoning=False)
            case "tool_call.start":
                self.end_block()
                self._call = f"{event.name} "
            case "tool_call.arguments.delta":
                self._call += event.delta
            case "tool_call.done":
                self._call = ""
                self._screen.print(_call_line(f"{event.name} {event.arguments}"))
            case "tool_call.result":
                self.content = ""  # the next round follows
                style = "red" if event.error else "dim"
                shown = event.content[:_MAX_RESULT] + ("…" if len(event.content) > _MAX_RESULT else "")
                self._screen.print(Text(f"  → {make_visible(shown)}", style))
            case "finish":
                self.reason = event.reason

    def paint(self) -> None:
        """Show what is unfinished."""
        if self._call:
            self._screen.show_tail(_call_line(self._call[-self._screen.capacity :]))
        elif tail := self._blocks.tail:
            # Rendering all of a long block for each repaint would be quadratic, and only its end is visible.
            is_long = len(tail) > self._screen.capacity
            end = make_visible(tail[-self._screen.capacity :], lines=True)
            self._screen.show_tail(Text(end) if is_long else self._render(tail))
        else:
            self._screen.show_tail(Text("…", "dim"))

    def end_block(self) -> None:
        """Print what is unfinished, as if it were finished."""
        if self._call:
            self._screen.print(_call_line(self._call))
            self._call = ""
        for block in self._blocks.finish():
            self._print(block)

    def _feed_text(self, delta: str, *, is_reasoning: bool) -> None:
        if is_reasoning != self._is_reasoning:
            self.end_block()
            self._is_reasoning = is_reasoning
        for block in self._blocks.feed(delta):
            self._print(block)

    def _print(self, block: str) -> None:
        if block.strip():
            self._screen.print(self._render(block))
            self._screen.print("")

    def _render(self, block: str) -> RenderableType:
        text = make_visible(block, lines=True).strip("\n")
        if self._is_reasoning:
            return Text(text, "dim")
        return _markdown(text)


def _markdown(text: str) -> Markdown:
    """Parse Markdown, but keep the line breaks within a paragraph: a poem has some."""
    markdown = Markdown(text, hyperlinks=False)
    for token in markdown.parsed:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
    return markdown


def _call_line(call: str) -> Text:
    return Text(f"⚙ {make_visible(call)}", "yellow")
