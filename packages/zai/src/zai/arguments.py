"""Arguments that the caller left out, and checks of those that it passed."""

from typing import Final, Literal

from zai.errors import ZaiError

__all__ = ["NOT_GIVEN", "SECONDS", "NotGiven", "Omit", "check_argument", "is_seconds"]

_MAX_SECONDS: Final = 2**31 // 1000  # the longest timeout of a socket: 24 days

SECONDS: Final = f"a number of seconds above 0 and below {_MAX_SECONDS}, or None for no limit"


class NotGiven:
    """The type of `NOT_GIVEN`: an argument left out, where None would mean something else."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"


class Omit:
    """A header's value that removes a default header from the request."""

    def __bool__(self) -> Literal[False]:
        return False


NOT_GIVEN = NotGiven()


def check_argument(name: str, value: object, expected: str, *, valid: bool) -> None:
    """Raise a `ZaiError` that names the argument and what is expected, unless it is valid."""
    if not valid:
        msg = f"{name} must be {expected}, not {value!r}"
        raise ZaiError(msg)


def is_seconds(value: object) -> bool:
    """Whether `value` is a valid timeout."""
    return value is None or (isinstance(value, int | float) and 0 < value < _MAX_SECONDS)
