"""Optional dependencies: the one place that says how to install what is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from headrace.errors import EngineError

__all__ = ["needs_extra"]


@contextmanager
def needs_extra(name: str, otherwise: str = "") -> Iterator[None]:
    """Surround the import of an optional dependency.

    Args:
        name: the extra that brings it, as in pyproject.toml.
        otherwise: what can be done instead of installing it.

    Raises:
        EngineError: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        msg = f"{package} is not installed; install headrace[{name}] as docs/install.md describes{otherwise}"
        raise EngineError(msg) from None
