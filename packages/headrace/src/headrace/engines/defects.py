"""Defects of an engine as errors, so that a turn ends whatever its engine raises."""

import logging
from collections.abc import Callable
from typing import Final

from headrace.errors import EngineError, HeadraceError

__all__ = ["ReportingErrors", "log_defect"]

_LOGGER: Final = logging.getLogger("headrace.engines")


class ReportingErrors:
    """A context that reports what the start of an engine raises, instead of raising it: no turn may hang.

    Args:
        on_error: called with the error; a defect is logged, and is an error with code 1230.
    """

    __slots__ = ("_on_error",)

    def __init__(self, on_error: Callable[[HeadraceError], object]) -> None:
        self._on_error = on_error

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self._on_error(error if isinstance(error, HeadraceError) else log_defect(error))
        return True


def log_defect(error: BaseException) -> EngineError:
    """Log an exception that no engine should raise; return the error that clients get."""
    _LOGGER.error("an engine failed", exc_info=error)
    return EngineError("internal server error; see the server log", code="1230")
