"""uvicorn's HTTP/1.1 protocol, with support for requests that offer an upgrade.

Java's HttpClient sends `Upgrade: h2c`, and so do LangChain4j and Spring AI. A server may ignore the offer
(RFC 9110, 7.8), but httptools does not parse what follows the headers, so the body would be lost. Therefore
the headers are parsed a second time without the offer, and the body after them.
"""

import sys

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HttpProtocol"]


class HttpProtocol(HttpToolsProtocol):
    """Ignores every offer of an upgrade."""

    _upgrade_end = 0  # end of the headers with the offer, in the bytes received last

    def data_received(self, data: bytes) -> None:
        """Parse bytes from the client."""
        super().data_received(data)
        while self._upgrade_end:
            data = self._head_without_upgrade() + data[self._upgrade_end :]
            self._upgrade_end = 0
            self.parser = HttpRequestParser(self)  # the old parser stops after `Connection: close`
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            super().data_received(data)

    def handle_websocket_upgrade(self) -> None:
        """Record where the headers end; called instead of starting the request if `_should_upgrade`."""
        upgrade = sys.exception()
        assert isinstance(upgrade, HttpParserUpgrade)
        self._upgrade_end = upgrade.args[0]

    def _should_upgrade(self) -> bool:
        return any(name == b"upgrade" for name, _ in self.headers)

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)
        lines = [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"".join([first, *lines, b"\r\n"])
