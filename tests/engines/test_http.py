"""What a server does that is no server, in words that are ours."""

import asyncio
import re

import pytest

from headrace.engines.http import HttpTransport
from headrace.errors import EngineError


async def answering(data):
    """A server that reads a little, writes `data` and closes."""

    async def answer(reader, writer):
        await reader.read(100)
        writer.write(data)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("scheme", "data", "reason"),
    [
        ("http", b"", "(the connection was closed|connection reset by peer)"),
        ("http", b"SSH-2.0-OpenSSH_9.2\r\n", "it does not speak HTTP"),
        ("https", b"HTTP/1.1 400 Bad Request\r\n\r\n", "the TLS handshake failed; an http:// URL has none"),
    ],
)
async def test_an_answer_that_is_none_has_a_reason_and_a_remedy(scheme, data, reason):
    async with await answering(data) as server:
        url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        transport = HttpTransport(url)
        with pytest.raises(EngineError) as caught:
            await transport.get("models")
        await transport.close()

    remedy = "; check the URL, and that the server runs"
    assert re.fullmatch(f"{re.escape(url)} does not answer: {reason}{remedy}", caught.value.message)


async def test_nobody_there_is_said_without_a_word_of_the_library():
    transport = HttpTransport("http://127.0.0.1:9/v1")
    with pytest.raises(EngineError) as caught:
        await transport.get("models")
    await transport.close()

    assert caught.value.message == (
        "http://127.0.0.1:9/v1 does not answer: connection refused; check the URL, and that the server runs"
    )
    assert caught.value.code == "1221"
