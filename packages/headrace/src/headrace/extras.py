"""Optional dependencies, and the error message for a missing one."""

from collections.abc import Iterator
from contextlib import contextmanager

from headrace.errors import EngineError

__all__ = ["needs_extra"]


@contextmanager
def needs_extra(name: str, otherwise: str = "") -> Iterator[None]:
    """Translate the failed import of an optional dependency.

    Args:
        name: the extra in pyproject.toml that contains it.
        otherwise: an alternative to installing it, appended to the message.

    Raises:
        EngineError: the dependency is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        msg = f"{package} is not installed; install headrace[{name}] as docs/install.md describes{otherwise}"
        raise EngineError(msg) from None
