"""Errors of Python and the operating system → errors that name the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.errors import EngineError, HeadraceError

__all__ = ["needs_extra", "reading"]


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


@contextmanager
def reading(what: str, path: Path, kind: type[HeadraceError] = EngineError) -> Iterator[None]:
    """Translate an `OSError` to an error that names the file and the remedy.

    Args:
        what: the role of the file, such as "the chat template".
        path: the file.
        kind: the type of error to raise.
    """
    try:
        yield
    except FileNotFoundError:
        reason = "no such file or directory; correct the path"
    except IsADirectoryError:
        reason = "it is a directory; set the path of a file"
    except PermissionError:
        reason = "permission denied; make it readable for the user that runs Headrace"
    except OSError as error:
        reason = f"{error.strerror}; correct the path"
    else:
        return
    raise kind(f"cannot read {what} {path}: {reason}")
