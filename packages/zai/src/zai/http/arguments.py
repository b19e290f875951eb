"""What the caller passes, checked where it is passed."""

from typing import Final

from zai.errors import ZaiError

__all__ = ["SECONDS", "check_argument", "is_seconds"]

_MAX_SECONDS: Final = 2**31 // 1000  # what a socket can wait: 24 days

SECONDS: Final = f"a number of seconds above 0 and below {_MAX_SECONDS}, or None for no limit"


def check_argument(name: str, value: object, expected: str, *, valid: bool) -> None:
    """Raise unless it is right."""
    if not valid:
        msg = f"{name} must be {expected}, not {value!r}"
        raise ZaiError(msg)


def is_seconds(value: object) -> bool:
    """Whether it is a limit, or none."""
    return value is None or (isinstance(value, int | float) and 0 < value < _MAX_SECONDS)
