"""The budget of a chat template: units of work, each some nanoseconds, spent before the work is done.

The budget belongs to the context (`contextvars`) that compiles or renders.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import chain
from typing import Any, Final

from jinja2.exceptions import SecurityError
from jinja2.utils import Namespace

__all__ = ["CALL", "ITEM", "ITERATION", "budget", "charge", "charge_deep", "spend"]

CALL: Final = 500
ITERATION: Final = 50
ITEM: Final = 10
"""Units for an item that is copied. A character costs one."""
_VISIT: Final = 50  # units for a value whose contents are read


_SCALARS: Final = (str, int, float, type(None))
_LEFT: Final[ContextVar[list[int]]] = ContextVar("units left")


@contextmanager
def budget(units: int) -> Iterator[None]:
    """Give a budget to the templates that are compiled or rendered in this context.

    Within another budget, it is at most what is left of that one, from which it is spent.
    """
    outer = _LEFT.get(None)
    granted = units if outer is None else min(units, outer[0])
    left = [granted]
    token = _LEFT.set(left)
    try:
        yield
    finally:
        _LEFT.reset(token)
        if outer is not None:
            outer[0] -= granted - left[0]


def spend(units: int) -> None:
    """Spend units.

    Raises:
        SecurityError: there are not so many left.
    """
    left = _LEFT.get()
    if units > 0:
        left[0] -= units
    if left[0] < 0:
        raise _exhausted()


def charge(value: Any) -> int:
    """Spend, and return, the units for copying a value, without the contents of its items."""
    if isinstance(value, str):
        units = len(value)
    else:
        units = ITEM * len(value) if isinstance(value, Collection) else 1
    spend(units)
    return units


def charge_deep(value: Any) -> int:
    """Spend, and return, the units for reading a value completely, as for its text or a comparison.

    They are spent on the way: a list that contains another twice, and so on, can be exponentially long.
    """
    left = _LEFT.get()
    before = left[0]
    _read(value, left)
    return before - left[0]


def _read(value: Any, left: list[int]) -> None:
    units = _VISIT + len(value) if isinstance(value, str) else _VISIT
    for item in () if isinstance(value, _SCALARS) else _items_of(value):
        if type(item) is str:
            units += _VISIT + len(item)
        else:
            _read(item, left)
    left[0] -= units
    if left[0] < 0:
        raise _exhausted()


def _items_of(value: Any) -> Iterable[Any]:
    """Return what a value contains; the usual types first, since those of `collections.abc` take long."""
    if isinstance(value, Namespace):
        value = getattr(value, "_Namespace__attrs")  # noqa: B009 - mangled
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101
        return chain(value, value.values())
    return value if isinstance(value, Collection) else ()


def _exhausted() -> SecurityError:
    return SecurityError("it does more work than a chat template may for such a request")
