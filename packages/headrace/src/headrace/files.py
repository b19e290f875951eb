"""Reading a file that a user named: what the operating system refuses, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.errors import EngineError, HeadraceError

__all__ = ["reading"]


@contextmanager
def reading(what: str, path: Path, kind: type[HeadraceError] = EngineError) -> Iterator[None]:
    """Translate an `OSError`.

    Args:
        what: the file's role, such as "the chat template".
        path: the file.
        kind: the error to raise instead.
    """
    try:
        yield
    except FileNotFoundError:
        reason = "no such file or directory; correct the path"
    except IsADirectoryError:
        reason = "it is a directory; name the file"
    except PermissionError:
        reason = "permission denied; make it readable for the user that runs Headrace"
    except OSError as error:
        reason = f"{error.strerror}; correct the path"
    else:
        return
    raise kind(f"cannot read {what} {path}: {reason}")
