"""Error messages for files that a user named and the operating system cannot read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.errors import EngineError, HeadraceError

__all__ = ["reading"]


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
