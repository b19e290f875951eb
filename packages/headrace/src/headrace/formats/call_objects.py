"""How to see that `{"name": …, "arguments": …}` follows, for the families that write calls so."""

from typing import Final

from headrace.formats.format import Condition, Lookahead

__all__ = ["ANY_CALL_OBJECT", "KNOWN_CALL_OBJECT", "PARAMETERS_CALL_OBJECT"]

_OPENS: Final = (Lookahead.SPACE, "{", Lookahead.SPACE)
_COLON: Final = (Lookahead.SPACE, ":", Lookahead.SPACE)
_COMMA: Final = (Lookahead.SPACE, ",", Lookahead.SPACE)
_TYPE: Final = ('"type"', *_COLON, '"function"', *_COMMA)
_NAME: Final = ('"name"', *_COLON, '"')

KNOWN_CALL_OBJECT: Final[Condition] = (
    (*_OPENS, *_NAME, Lookahead.KNOWN_NAME, '"'),
    (*_OPENS, *_TYPE, *_NAME, Lookahead.KNOWN_NAME, '"'),
)
"""With the name of a tool that was offered."""

PARAMETERS_CALL_OBJECT: Final[Condition] = (
    *KNOWN_CALL_OBJECT,
    (*_OPENS, *_NAME, Lookahead.ANY_NAME, '"', *_COMMA, '"parameters"'),
)
"""With a known name; or with any, and parameters after it."""

ANY_CALL_OBJECT: Final[Condition] = (
    *KNOWN_CALL_OBJECT,
    (*_OPENS, *_NAME, Lookahead.ANY_NAME, '"'),
    (*_OPENS, '"arguments"', *_COLON, "{"),
)
"""With any name; or with the arguments before it."""
