"""Where in a JSON Schema the part is that llguidance cannot compile: its messages lack the place."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from headrace.engines.schemas.rewrite import SchemaRewriter
from headrace.engines.schemas.validator import OVER_BUDGET

__all__ = ["FailingPart", "find_failing_part"]

_MAX_SECONDS: Final = 1.0
_KEYWORDS: Final = (
    ("patternProperty", "patternProperties"),
    ("look-around", "pattern"),
    ("regex", "pattern"),
    ("multipleOf", "multipleOf"),
    ("min/maxProperties", "minProperties"),
    ("circular", "$ref"),
)
"""Words of llguidance's messages, and the keyword that they are about."""


class FailingPart(NamedTuple):
    """The place of the smallest part that fails alone, its keyword included if it is known, and the error."""

    place: str
    error: str


def find_failing_part(
    rewriter: SchemaRewriter, schema: Any, place: str, error_of: Callable[[Any], str]
) -> FailingPart | None:
    """Return the part of a schema that cannot be compiled, or, for lack of time, one around it.

    Args:
        rewriter: of the schema's document.
        schema: to look at.
        place: of the schema.
        error_of: compiles a rewritten schema; "" if it can be used.

    Returns:
        None if the whole can be compiled.
    """
    error = error_of(rewriter.rewrite(schema, place))
    if not error:
        return None
    until = time.monotonic() + _MAX_SECONDS
    is_found = False
    while not is_found and error not in OVER_BUDGET:
        is_found = True
        for part, where in _parts(schema, place):
            if time.monotonic() > until:
                break
            if inner := error_of(rewriter.rewrite(part, where)):
                schema, place, error, is_found = part, where, inner, False
                break
    keyword = next((keyword for word, keyword in _KEYWORDS if word in error), "")
    has_keyword = isinstance(schema, Mapping) and keyword in schema
    return FailingPart(f"{place}.{keyword}" if has_keyword else place, error)


def _parts(schema: Any, place: str) -> Iterator[tuple[Any, str]]:
    """Yield the direct subschemas that are objects, with their places."""
    if not isinstance(schema, Mapping):
        return
    for key in ("properties", "patternProperties", "$defs", "definitions"):
        if isinstance(schema.get(key), Mapping):
            yield from ((part, f"{place}.{key}.{name}") for name, part in schema[key].items())
    for key in ("anyOf", "oneOf", "allOf", "prefixItems", "items", "additionalProperties"):
        parts = schema.get(key)
        if isinstance(parts, list):
            yield from ((part, f"{place}.{key}[{at}]") for at, part in enumerate(parts))
        elif isinstance(parts, Mapping):
            yield parts, f"{place}.{key}"
