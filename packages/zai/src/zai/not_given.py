"""The value of an argument that the caller left out, where None would mean something else."""

from typing import Literal

__all__ = ["NOT_GIVEN", "NotGiven", "Omit"]


class NotGiven:
    """Left out: the default applies."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"


class Omit:
    """As a header's value: do not send the header that the SDK would send by itself."""

    def __bool__(self) -> Literal[False]:
        return False


NOT_GIVEN = NotGiven()
