"""The account of an API key: its requests and tokens within their windows."""

import msgspec

from headrace.limits.window import Window

__all__ = ["Account"]

_MINUTE = 60.0
_FIVE_HOURS = 5 * 3600.0


class _Reservation(msgspec.Struct, array_like=True, frozen=True):
    time: float
    tokens: int


class _Document(msgspec.Struct, array_like=True):
    """The encoded form of an account."""

    requests: list[tuple[float, int]] = []
    tokens: list[tuple[float, int]] = []
    reservations: dict[str, _Reservation] = {}


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Document)


class Account:
    """The turns that a key has started, and the tokens that are charged or reserved for them.

    A turn is charged once: its reservation is kept until it is settled or leaves the window, whatever
    becomes of its slot, so that a turn that another process continues is not charged again.

    Args:
        document: an account that was encoded.

    Raises:
        msgspec.DecodeError: `document` is no account.
    """

    __slots__ = ("_reservations", "requests", "tokens")

    def __init__(self, document: bytes | None = None) -> None:
        account = _DECODER.decode(document) if document else _Document()
        self.requests = Window(_MINUTE, account.requests)
        """The turns that started within the last minute."""
        self.tokens = Window(_FIVE_HOURS, account.tokens)
        """The tokens charged or reserved within the last 5 hours."""
        self._reservations = account.reservations

    def encode(self, now: float) -> bytes | None:
        """Encode the account; None if nothing in it counts any more."""
        self._drop_reservations(now)
        if not self._reservations and not self.tokens.used(now) and not self.requests.used(now):
            return None
        return _ENCODER.encode(_Document(self.requests.buckets, self.tokens.buckets, self._reservations))

    def is_charged(self, id: str) -> bool:
        """Return whether a turn is charged and not yet settled."""
        return id in self._reservations

    def reserve(self, id: str, tokens: int, now: float) -> None:
        """Charge a turn that starts."""
        if id not in self._reservations:
            if self._reservations:
                self._drop_reservations(now)
            self._reservations[id] = _Reservation(now, tokens)
            self.requests.add(1, now)
            self.tokens.add(tokens, now)

    def settle(self, id: str, tokens: int) -> None:
        """Replace the reservation of a turn by the tokens that it has used, once."""
        if reservation := self._reservations.pop(id, None):
            self.tokens.adjust(tokens - reservation.tokens, reservation.time)

    def cancel(self, id: str) -> None:
        """Take back the charge of a turn that has not started."""
        if reservation := self._reservations.pop(id, None):
            self.requests.adjust(-1, reservation.time)
            self.tokens.adjust(-reservation.tokens, reservation.time)

    def _drop_reservations(self, now: float) -> None:
        """Forget reservations that have left the window; the oldest come first."""
        while self._reservations:
            id, reservation = next(iter(self._reservations.items()))
            if reservation.time + _FIVE_HOURS > now:
                break
            del self._reservations[id]
