"""UTF-8 in pieces → text. An engine's tokens may end in the middle of a character."""

import codecs

__all__ = ["Utf8Decoder"]


class Utf8Decoder:
    """Holds an incomplete character back until the rest of it comes; what is no UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """The characters that `data` completes."""
        return self._decoder.decode(data)

    def finish(self) -> str:
        """No more bytes will come: what was held back is no character."""
        return self._decoder.decode(b"", final=True)
