"""Signals to the process of a program: SIGHUP, and the end by another one.

SIGHUP is an operator's request to read the configuration again (`kill -HUP`, systemd's `ExecReload`), or the
end of the terminal, which the kernel and the shell report to its programs. Only then the process has no
terminal any more. `nohup` lets a program ignore the signal, and it remains ignored.
"""

import os
import signal
from collections.abc import Callable

__all__ = ["end_by", "on_hangup"]


def on_hangup(reload: Callable[[], object], shut_down: Callable[[], object]) -> None:
    """Handle SIGHUP from now on, unless the process was started to ignore it.

    Args:
        reload: called for a reload, within a signal handler.
        shut_down: called if the terminal was closed.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return
    had_terminal = _has_terminal()
    signal.signal(signal.SIGHUP, lambda *_: shut_down() if had_terminal and not _has_terminal() else reload())


def end_by(number: int) -> int:
    """End this process as a signal does, now that everything is cleaned up; 0: return the exit status 0.

    Raises:
        KeyboardInterrupt: for SIGINT.
    """
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    if number:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    return 0


def _has_terminal() -> bool:
    """Return whether the process has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
