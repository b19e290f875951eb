"""How to see that `{"name": …, "arguments": …}` follows, for the families that write calls so."""

from typing import Final

from headrace.formats.format import Guard, Look

__all__ = ["ANY_ENVELOPE", "KNOWN_ENVELOPE", "PARAMETERS_ENVELOPE"]

_OPENS: Final = (Look.SPACE, "{", Look.SPACE)
_COLON: Final = (Look.SPACE, ":", Look.SPACE)
_COMMA: Final = (Look.SPACE, ",", Look.SPACE)
_TYPE: Final = ('"type"', *_COLON, '"function"', *_COMMA)
_NAME: Final = ('"name"', *_COLON, '"')

KNOWN_ENVELOPE: Final[Guard] = (
    (*_OPENS, *_NAME, Look.KNOWN_NAME, '"'),
    (*_OPENS, *_TYPE, *_NAME, Look.KNOWN_NAME, '"'),
)
"""With the name of a tool that was offered."""

PARAMETERS_ENVELOPE: Final[Guard] = (
    *KNOWN_ENVELOPE,
    (*_OPENS, *_NAME, Look.ANY_NAME, '"', *_COMMA, '"parameters"'),
)
"""With a known name; or with any, and parameters after it."""

ANY_ENVELOPE: Final[Guard] = (
    *KNOWN_ENVELOPE,
    (*_OPENS, *_NAME, Look.ANY_NAME, '"'),
    (*_OPENS, '"arguments"', *_COLON, "{"),
)
"""With any name; or with the arguments before it."""
