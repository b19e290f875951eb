"""The output formats of the model families: transition tables, data only."""

from headrace.formats.format import (
    ANY_TEXT,
    MAX_SPACE,
    NEXT_AFTER_JSON,
    NEXT_ON_TEXT,
    Condition,
    Encoding,
    Format,
    Lookahead,
    State,
    Syntax,
    Transition,
)
from headrace.formats.registry import FAMILIES, FORMATS
from headrace.formats.text import TEXT, TEXT_WITH_THINKING, UNKNOWN

__all__ = [
    "ANY_TEXT",
    "FAMILIES",
    "FORMATS",
    "MAX_SPACE",
    "NEXT_AFTER_JSON",
    "NEXT_ON_TEXT",
    "TEXT",
    "TEXT_WITH_THINKING",
    "UNKNOWN",
    "Condition",
    "Encoding",
    "Format",
    "Lookahead",
    "State",
    "Syntax",
    "Transition",
]
