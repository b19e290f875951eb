"""When the clients of streams reconnect: not all in the same second, when their server dies or is restarted.

Each stream that its client would resume begins with the time for which the client is to wait: at random, and
up to a bound that grows with the number of such streams. So a few clients return at once, and a thousand
within three seconds.
"""

import random
from typing import Final

__all__ = ["Reconnects"]

_SPREAD: Final = 3.0  # ms for each stream: some 300 reconnects per second, each of about a millisecond of CPU
_LONGEST: Final = 10_000.0  # ms


class Reconnects:
    """The streams whose clients would resume them at another server, or at this one after its restart."""

    def __init__(self) -> None:
        self.streams = 0
        """How many are open."""

    def encode(self) -> bytes:
        """Return the line of an SSE frame that tells a client how long to wait."""
        longest = min(_SPREAD * self.streams, _LONGEST)
        return b"retry: %d\n" % random.uniform(0.0, longest)  # noqa: S311 - no secret
