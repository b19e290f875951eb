"""The interactive chat: reads a message or a command, shows the answer, and repeats."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory
from rich.console import Console, ConsoleDimensions
from rich.text import Text

from headrace.cli.chat.answer_view import AnswerView
from headrace.cli.chat.commands import run_command
from headrace.cli.chat.conversation import Conversation
from headrace.cli.chat.screen import Screen
from headrace.errors import HeadraceError
from headrace.visible import make_visible
from zai import ZaiError

__all__ = ["chat"]

_REPAINT: Final = 0.03  # seconds between two repaints of the tail
_COMPLETE: Final = ("stop", "tool_calls", "")


async def chat(conversation: Conversation) -> int:
    """Chat until Ctrl-D; return the exit status."""
    console = Console(highlight=False, emoji=False, markup=False)
    if console.is_dumb_terminal:  # rich assumes 80 columns
        console.size = ConsoleDimensions(*shutil.get_terminal_size())
    screen = Screen(console)
    session: PromptSession[str] = PromptSession(history=FileHistory(_history_file()))
    _note(screen, f"{conversation.model}: /help shows the commands, Ctrl-D quits")
    with _no_echo():
        return await _converse(conversation, screen, session)


async def _converse(conversation: Conversation, screen: Screen, session: PromptSession[str]) -> int:
    while True:
        try:
            line = (await session.prompt_async("> ")).strip()
        except EOFError:
            return 0
        except KeyboardInterrupt:
            continue
        if line.startswith("/"):
            try:
                _note(screen, run_command(conversation, line))
            except HeadraceError as error:
                _note(screen, error.message, "red")
        elif line:
            await _answer(conversation, screen, line)


async def _answer(conversation: Conversation, screen: Screen, question: str) -> None:
    view = AnswerView(screen)
    try:
        answer = conversation.start(question)
    except ZaiError as error:
        _note(screen, str(error), "red")
        return
    reading = asyncio.create_task(_read(answer, view))
    with _signal(signal.SIGINT, reading.cancel), _signal(signal.SIGWINCH, view.paint):
        await asyncio.wait([reading])
    view.end_block()
    screen.erase_tail()
    if reading.cancelled():
        _note(screen, "stopped", "yellow")
    elif failure := reading.exception():
        if not isinstance(failure, ZaiError):
            raise failure
        _note(screen, str(failure), "red")
    else:
        if view.reason not in _COMPLETE:
            _note(screen, f"the answer is incomplete: {view.reason}", "yellow")
        conversation.add(question, answer)
        return
    if view.content:  # what was received is part of the conversation
        conversation.add(question, answer, view.content)


async def _read(answer: Any, view: AnswerView) -> None:
    """Read to the end, repainting the tail at most every `_REPAINT` seconds."""
    painting = asyncio.create_task(_repaint(view))
    try:
        async with answer:
            async for event in answer:
                view.feed(event)
    finally:
        painting.cancel()


async def _repaint(view: AnswerView) -> None:
    while True:
        view.paint()
        await asyncio.sleep(_REPAINT)


def _note(screen: Screen, text: str, style: str = "dim") -> None:
    screen.print(Text(make_visible(text, lines=True), style))


@contextlib.contextmanager
def _signal(number: int, action: Any) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    before = signal.getsignal(number)
    loop.add_signal_handler(number, action)
    try:
        yield
    finally:
        loop.remove_signal_handler(number)
        signal.signal(number, before)


@contextlib.contextmanager
def _no_echo() -> Iterator[None]:
    """Keep what is typed during an answer for the next message instead of echoing it into the answer."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    silent = termios.tcgetattr(terminal)
    silent[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(terminal, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _history_file() -> str:
    """Return the file of the messages that were typed, readable only by the user."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    path = state / "headrace" / "chat_history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:  # a read-only home: a history of this session only
        return os.devnull
    return str(path)
