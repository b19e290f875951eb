"""uvicorn's HTTP/1.1, for clients that offer HTTP/2 in passing.

Java's HttpClient does, and with it LangChain4j and Spring AI: `Upgrade: h2c`. A server may pass that
over (RFC 9110, 7.8), but httptools takes what follows the headers for another protocol, so that the
body would be lost.
"""

import re
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HttpProtocol"]

# Such a line cannot stand in a body of JSON: line ends within a string are escaped.
_OFFER: Final = re.compile(rb"\r\nupgrade:[ \t]*h2c[ \t]*(?=\r\n)", re.IGNORECASE)


class HttpProtocol(HttpToolsProtocol):
    """Passes the offer over."""

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        super().data_received(_OFFER.sub(b"", data))
