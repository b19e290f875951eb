"""The server log: every logger of the process writes to the standard error, as text or as JSON.

Modules use Python's `logging`, with fields in `extra`. The messages of uvicorn, asyncio and other libraries,
warnings and unhandled exceptions have the same form:

    2026-11-29T04:31:05.120431Z info    headrace.requests: request method=POST status=200 …
    {"event": "request", "timestamp": "2026-11-29T04:31:05.120431Z", "level": "info", "status": 200, …}

What comes from outside cannot forge a line or control a terminal: control characters are escaped.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from types import TracebackType
from typing import Any, Final

from headrace.telemetry.line_writer import Event, LineWriter, write_all
from headrace.telemetry.records import Record
from headrace.telemetry.settings import TelemetrySettings
from headrace.visible import make_visible

__all__ = ["renderer", "start_logging"]

_STANDARD_ERROR: Final = 2
_LOGGER: Final = logging.getLogger("headrace")
_ENCODE: Final = json.JSONEncoder(default=repr).encode
_BARE: Final = re.compile(r"[!#-<>-\[\]-~]+")  # what is visible in ASCII, but for quotes, `=` and backslashes
_BARE_FIELDS: Final = re.compile(rf"(?: {_BARE.pattern}+={_BARE.pattern}+)*+")
_PLAIN: Final = frozenset({str, int, float})


def start_logging(settings: TelemetrySettings) -> None:
    """Send the records of all loggers, warnings and unhandled exceptions to the standard error."""
    handler = LineWriter(renderer(settings.log_format), partial(write_all, _STANDARD_ERROR))
    logging.getLogger().addHandler(handler)
    _LOGGER.setLevel(settings.log_level.upper())
    # What is not shown takes time (https://docs.python.org/3/howto/logging.html#optimization).
    logging.logProcesses = logging.logMultiprocessing = logging.logThreads = False
    logging._srcfile = None  # noqa: SLF001 - documented
    logging.setLogRecordFactory(Record)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_exception
    threading.excepthook = _log_failed_call
    sys.unraisablehook = _log_failed_call


def renderer(log_format: str) -> Callable[[Event], str]:
    """Return what makes a line of a record in one of the formats, `text` or `json`."""
    render = _render_text if log_format == "text" else _render_json
    return lambda event: render(_tidy(event))


def _tidy(event: Event) -> Event:
    """Format the time, and remove what only a formatter needs."""
    seconds, microseconds = divmod(round(event["timestamp"] * 1e6), 1_000_000)
    event["timestamp"] = f"{_second(seconds)}.{microseconds:06}Z"
    event["event"] = event["event"].strip()
    event.pop("color_message", None)  # uvicorn's
    return event


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _render_json(event: Event) -> str:
    try:
        return _ENCODE(event)
    except (TypeError, ValueError):  # a key that is no string, or a value that contains itself
        return _ENCODE({name: each if isinstance(each, str) else repr(each) for name, each in event.items()})


def _render_text(event: Event) -> str:
    logger, message = event.pop("logger"), make_visible(event.pop("event"))
    head = f"{event.pop('timestamp')} {event.pop('level'):<7} {logger}: {message}"
    lines = [line for part in ("stack", "exception") for line in event.pop(part, "").splitlines()]
    # The lines of a traceback are indented, so that text from outside does not look like another record.
    return "\n    ".join([head + _render_fields(event), *map(make_visible, lines)])


def _render_fields(fields: Event) -> str:
    """Return ` name=value` for each field."""
    if _PLAIN.issuperset(map(type, fields.values())):  # as usual; to quote each takes ten times as long
        text = "".join([f" {name}={value}" for name, value in fields.items()])
        if _BARE_FIELDS.fullmatch(text) and text.count("=") == len(fields):
            return text
    return "".join([f" {name}={_quote(value)}" for name, value in fields.items()])


def _quote(value: object) -> str:
    if type(value) in (int, float):
        return str(value)
    try:
        text = value if isinstance(value, str) else _ENCODE(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if _BARE.fullmatch(text) else make_visible(json.dumps(text, ensure_ascii=False))


def _log_exception(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    exc_info = (kind, error, traceback) if error is not None else None
    _LOGGER.critical("unhandled exception", exc_info=exc_info)


def _log_failed_call(failed: Any) -> None:
    """Log an exception that ended a thread, or that a destructor raised."""
    _log_exception(failed.exc_type, failed.exc_value, failed.exc_traceback)
