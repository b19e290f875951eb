"""What a log of a turn consists of, and its encoding for stores."""

from typing import Final

import msgspec

from headrace.errors import HeadraceError, LimitError
from headrace.events import Event, Finish

__all__ = ["ENDINGS", "Failure", "Logged", "decode_events", "encode_events"]


class Failure(msgspec.Struct, frozen=True, array_like=True, tag="!"):
    """The only entry of a turn that failed before its first event: the error of the response."""

    code: str
    message: str
    status: int
    retry_after: float | None = None

    def to_error(self) -> HeadraceError:
        """Convert back to an exception."""
        if self.retry_after is not None:
            return LimitError(self.message, code=self.code, status=self.status, retry_after=self.retry_after)
        return HeadraceError(self.message, code=self.code, status=self.status)


Logged = Event | Failure

ENDINGS: Final = frozenset({Finish, Failure})
"""The types of the last entry of a log."""

encode_events: Final = msgspec.json.Encoder().encode
"""Encode events as a JSON array."""

decode_events: Final = msgspec.json.Decoder(list[Logged]).decode
"""Decode such an array."""
