"""A program in a pseudo-terminal, whose screen pyte emulates."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pyte

__all__ = ["PseudoTerminal"]


_PROGRAM = """
import fcntl, sys, termios
from headrace.cli.main import main
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C is a signal
sys.exit(main())
"""


class _Screen(pyte.HistoryScreen):
    def __init__(self, *size, answer):
        super().__init__(*size, history=1000)
        self._answer = answer

    def write_process_input(self, data):
        self._answer(data)

    def select_graphic_rendition(self, *attributes, **private):
        """Show dimmed text, which pyte does not know, in grey."""
        super().select_graphic_rendition(*((90,) if attributes == (2,) else attributes), **private)


class PseudoTerminal:
    """Starts `headrace` with arguments; the context ends it."""

    def __init__(self, *arguments, columns=80, rows=24, **environment):
        self.raw = b""
        self._screen = _Screen(columns, rows, answer=self.type)
        self._stream = pyte.ByteStream(self._screen)
        self._terminal, theirs = pty.openpty()
        self._set_size(columns, rows)
        size_of_another = ("COLUMNS", "LINES")  # pytest-xdist sets them
        inherited = {name: value for name, value in os.environ.items() if name not in size_of_another}
        self._program = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _PROGRAM, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**inherited, "TERM": "xterm-256color", **environment},
        )
        os.close(theirs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._program.kill()
        self._program.wait()
        os.close(self._terminal)

    @property
    def rows(self):
        """The rows of the scrollback and the screen: a character, with its style, for each column."""
        return [*self._screen.history.top, *(self._screen.buffer[row] for row in range(self._screen.lines))]

    @property
    def lines(self):
        """The rows as text, without trailing spaces."""
        columns = range(self._screen.columns)
        return ["".join(row[column].data for column in columns).rstrip() for row in self.rows]

    @property
    def text(self):
        return "\n".join(self.lines)

    def type(self, text):
        with contextlib.suppress(OSError):
            os.write(self._terminal, text.encode())

    def resize(self, columns, rows):
        """Resize the terminal, as a window does; lines are cut and not wrapped again."""
        self._screen.resize(rows, columns)
        self._set_size(columns, rows)
        os.killpg(self._program.pid, signal.SIGWINCH)

    def wait_for(self, *texts):
        """Wait until the texts are on the screen or in the scrollback."""
        self.wait_until(lambda: all(text in self.text for text in texts))

    def wait_until(self, condition):
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, f"the terminal shows:\n{self.text}\n{self.raw[-300:]}"
            if select.select([self._terminal], [], [], 0.05)[0]:
                self._read()

    def wait_for_exit(self):
        self.wait_until(lambda: self._program.poll() is not None)
        return self._program.returncode

    def _read(self):
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # the program has ended
            assert self._program.wait() is not None
            return
        self.raw += data
        self._stream.feed(data)

    def _set_size(self, columns, rows):
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
