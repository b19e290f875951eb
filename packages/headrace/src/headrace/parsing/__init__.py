"""Model output → events, incrementally: no I/O, no clock, no second look at earlier text."""

from headrace.parsing.parser import OutputParser

__all__ = ["OutputParser"]
