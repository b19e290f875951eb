"""uvicorn's HTTP/1.1, for clients that offer another protocol in passing.

Java's HttpClient does, and with it LangChain4j and Spring AI: `Upgrade: h2c`. A server may pass that
over (RFC 9110, 7.8), but httptools takes what follows the headers for the other protocol, so that the
body would be lost. So the headers are read a second time, without the offer, and the body after them.
"""

import sys

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HttpProtocol"]


class HttpProtocol(HttpToolsProtocol):
    """Passes every offer over."""

    _end_of_offer = 0  # where its headers end, in the bytes that were received last

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        super().data_received(data)
        while self._end_of_offer:
            data = self._head_without_offer() + data[self._end_of_offer :]
            self._end_of_offer = 0
            self.parser = HttpRequestParser(self)  # the old one reads no more after a `Connection: close`
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            super().data_received(data)

    def handle_websocket_upgrade(self) -> None:
        """What uvicorn calls instead of beginning a request for which `_should_upgrade`."""
        offer = sys.exception()
        assert isinstance(offer, HttpParserUpgrade)
        self._end_of_offer = offer.args[0]

    def _should_upgrade(self) -> bool:
        return any(name == b"upgrade" for name, _ in self.headers)

    def _head_without_offer(self) -> bytes:
        version = self.parser.get_http_version().encode()
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)
        lines = [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"".join([first, *lines, b"\r\n"])
