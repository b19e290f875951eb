"""Text in, events out: no I/O, no clock, never a look at the text so far."""

from headrace.parsing.parser import OutputParser
from headrace.parsing.stops import StopMatcher
from headrace.parsing.utf8 import Utf8Decoder

__all__ = ["OutputParser", "StopMatcher", "Utf8Decoder"]
