"""Validation of a grammar before llama.cpp gets it, in a process with a budget of time and memory.

llama.cpp does not report an error in a grammar: it generates without one. And a schema may be written so that
compiling it takes minutes and gigabytes, or overflows the stack. So the version of llguidance that llama.cpp
contains compiles each grammar first, in a process that is ended when it exceeds its budget.
"""

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from select import select
from typing import Final

from headrace.errors import EngineError
from headrace.foreign_errors import needs_extra

__all__ = ["OVER_BUDGET", "GrammarValidator"]

_SECONDS: Final = 20.0  # for one grammar, or for the start of the process, on a busy machine
_TOO_SLOW: Final = "it takes too long to compile"
_TOO_LARGE: Final = "it takes too much memory to compile"
OVER_BUDGET: Final = frozenset({_TOO_SLOW, _TOO_LARGE})
"""The errors of grammars whose compilation was ended."""

_WORKER: Final = Path(__file__).with_name("worker.py")
_POSITION: Final = re.compile(r"^at \d+\(\d+\): |\n.*", re.DOTALL)


class GrammarValidator:
    """Compiles grammars, one at a time. Blocks: call it in a thread.

    Raises:
        EngineError: llguidance is not installed.
    """

    def __init__(self) -> None:
        with needs_extra("llama"):
            import llguidance  # noqa: F401 - only its process uses it
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def error(self, grammar: str) -> str:
        """Return why a grammar cannot be used; "" if it can."""
        with self._lock:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(grammar) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline() if select([process.stdout], [], [], _SECONDS)[0] else None
            if not answer:
                is_slow = answer is None or process.wait() == -signal.SIGPROF
                self._stop()
                return _TOO_SLOW if is_slow else _TOO_LARGE
        return _POSITION.sub("", json.loads(answer)).removeprefix("failed to compile JSON schema: ")

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()

    def _started(self) -> subprocess.Popen[str]:
        """Start the process if there is none. Its start does not count as time of the first grammar."""
        if self._process is not None and self._process.poll() is not None:  # it was killed
            self._stop()
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - our own script
                [sys.executable, "-P", _WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write('"start: \\"a\\""\n')
            self._process.stdin.flush()
            is_ready = select([self._process.stdout], [], [], _SECONDS)[0]
            if not (is_ready and self._process.stdout.readline()):
                self._stop()
                msg = "the process that validates grammars does not start; see the server log"
                raise EngineError(msg)
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with process:  # closes its pipes, and waits
                pass
