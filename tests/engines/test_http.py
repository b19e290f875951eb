"""Connection errors are reported with a reason and a remedy, without the library's terms."""

import asyncio
import re

import pytest

from headrace.engines.http import HttpTransport
from headrace.errors import EngineError


async def start_server(data):
    """Start a server that responds to anything with `data`, and closes the connection."""

    async def respond(reader, writer):
        await reader.read(100)
        writer.write(data)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(respond, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("scheme", "data", "reason"),
    [
        ("http", b"", "(the server closed the connection without a response|connection reset by peer)"),
        ("http", b"SSH-2.0-OpenSSH_9.2\r\n", "the server closed the connection after .*OpenSSH.*"),
        ("https", b"HTTP/1.1 400 Bad Request\r\n\r\n", "the TLS handshake failed; an http:// URL has none"),
    ],
)
async def test_an_invalid_response_is_an_error_with_reason_and_remedy(scheme, data, reason):
    async with await start_server(data) as server:
        url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        transport = HttpTransport(url)
        with pytest.raises(EngineError) as caught:
            await transport.get("models")
        await transport.close()

    remedy = "; check the URL, and that the server is running"
    assert re.fullmatch(f"{re.escape(url)} is unreachable: {reason}{remedy}", caught.value.message)


async def test_a_refused_connection_is_an_error_with_a_remedy():
    transport = HttpTransport("http://127.0.0.1:9/v1")
    with pytest.raises(EngineError) as caught:
        await transport.get("models")
    await transport.close()

    assert caught.value.message == (
        "http://127.0.0.1:9/v1 is unreachable: connection refused; check the URL, and that the server is running"
    )
    assert caught.value.code == "1221"
