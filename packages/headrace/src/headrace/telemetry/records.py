"""The records of the server log: those of `logging`, with what a line shows, and nothing else.

A record of the standard class also splits the path of the source file, which takes longer than all the rest.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["Record"]

_START: Final = time.time()
_NOT_SHOWN: Final = {
    "pathname": "(unknown file)",
    "filename": "(unknown file)",
    "module": "(unknown file)",
    "lineno": 0,
    "funcName": "(unknown function)",
    "process": None,
    "processName": None,
    "thread": None,
    "threadName": None,
    "exc_text": None,
}


class Record(logging.LogRecord):
    """A record, for `logging.setLogRecordFactory`. What no line shows is the same for all."""

    def __init__(  # noqa: PLR0917 - as `logging` calls it; does not call that of the standard class
        self,
        name: str,
        level: int | None,
        pathname: str,  # noqa: ARG002
        lineno: int,  # noqa: ARG002
        msg: object,
        args: Any,
        exc_info: Any,
        func: str | None = None,  # noqa: ARG002
        sinfo: str | None = None,
        **_: object,
    ) -> None:
        self.__dict__.update(_NOT_SHOWN)
        self.created = created = time.time()
        self.name = name
        self.levelno = level  # type: ignore[assignment]  # None: of `logging.makeLogRecord`, which replaces it
        self.levelname = "" if level is None else logging.getLevelName(level)
        self.msg = msg
        # A mapping as the only argument has the values of a message such as "%(name)s".
        if args and len(args) == 1 and isinstance(args[0], Mapping) and args[0]:
            args = args[0]
        self.args = args
        self.exc_info = exc_info
        self.stack_info = sinfo
        self.msecs = created % 1 * 1000
        self.relativeCreated = (created - _START) * 1000
