"""uvicorn's HTTP/1.1 protocol, with callbacks for a response that is written to its transport directly.

It also supports requests that offer an upgrade:

Java's HttpClient sends `Upgrade: h2c`, and so do LangChain4j and Spring AI. A server may ignore the offer
(RFC 9110, 7.8), but httptools does not parse what follows the headers, so the body would be lost. Therefore
the headers are parsed a second time without the offer, and the body after them.
"""

import sys
from collections.abc import Callable

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HttpProtocol"]


def _nothing() -> None:
    pass


class HttpProtocol(HttpToolsProtocol):
    """Reports a disconnect and a drained write buffer; ignores every offer of an upgrade."""

    _on_disconnect: Callable[[], object] = staticmethod(_nothing)
    _on_writable: Callable[[], object] = staticmethod(_nothing)

    _upgrade_end = 0  # end of the headers with the offer, in the bytes received last

    def watch(self, on_disconnect: Callable[[], object], on_writable: Callable[[], object]) -> None:
        """Call back when the connection is lost, or its transport's buffer has room again."""
        self._on_disconnect, self._on_writable = on_disconnect, on_writable

    def unwatch(self) -> None:
        """Call back no more."""
        self._on_disconnect = self._on_writable = _nothing

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the disconnect."""
        super().connection_lost(exc)
        self._on_disconnect()

    def resume_writing(self) -> None:
        """Report the drained buffer."""
        super().resume_writing()
        self._on_writable()

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
