"""Numbers in JSON Schemas: those that llguidance reads exactly, and those that an answer's reader can store.

llguidance reads the numbers of a schema as doubles, and negates minima.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ["is_exact", "number_bounds"]

_LEAST: Final = -(2**63) + 1024
_MOST: Final = {"integer": 2**63 - 1, "number": 2**63 - 1024}
_MAX_DOUBLE: Final = 2**53


def number_bounds(schema: Mapping[str, Any], types: Iterable[str] = ()) -> dict[str, Any]:
    """Return the bounds of a schema's numbers, within 64 bits: a reader makes infinity of 1e999.

    Args:
        schema: may have bounds of its own.
        types: that it states, if it shall have bounds in any case.
    """
    kind = next((name for name in types if name in _MOST), "")
    bounds: dict[str, Any] = {}
    for side, limit, tighter in (
        ("Minimum", _LEAST, max),
        ("Maximum", _MOST.get(kind, _MOST["number"]), min),
    ):
        bound, exclusive = schema.get(side.lower()), schema.get(f"exclusive{side}")
        if exclusive is not None and (isinstance(exclusive, bool) or tighter(exclusive, limit) == exclusive):
            bounds[f"exclusive{side}"] = exclusive  # in draft 4, whether the other is
        elif bound is None and (kind or exclusive is not None):
            bounds[side.lower()] = limit
        if bound is not None:
            bounds[side.lower()] = tighter(bound, limit)
    return bounds


def is_exact(value: Any) -> bool:
    """Whether llguidance reads a constant as it stands."""
    if isinstance(value, int):
        return abs(value) <= _MAX_DOUBLE
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(is_exact, parts))
