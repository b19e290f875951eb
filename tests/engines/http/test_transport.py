"""The HTTP client of upstreams: connections, proxies, TLS, addresses, and servers that misbehave."""

import asyncio
import socket
import ssl

import pytest
import trustme

from headrace.engines.http import HttpTransport, tls_context
from headrace.errors import EngineError, RequestError
from headrace.http1 import MAX_HEAD

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """A raw server: `script(reader, writer, number of the connection)` runs for each connection."""

    def __init__(self, script, *, host="127.0.0.1", context=None):
        self.script = script
        self.host = host
        self.context = context
        self.connections = 0
        self.requests = []
        self.accepted = []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._accept, self.host, 0, ssl=self.context)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        await asyncio.sleep(0.01)
        for _ in range(10):
            await asyncio.sleep(0)  # a socket that was accepted without a writer would leak
        self.server.close()
        for task, writer in self.accepted:
            task.cancel()
            writer.close()

    def _accept(self, reader, writer):
        self.accepted.append((asyncio.create_task(self._serve(reader, writer)), writer))

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            await self.script(self, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def read_request(self, reader):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        self.requests.append((lines[0], fields, body))
        return lines[0]


def replying(*replies):
    """Answer each request of a connection with the next reply; then close it."""

    async def script(server, reader, writer):
        for reply in replies:
            await server.read_request(reader)
            writer.write(reply)
            await writer.drain()

    return script


async def forever(server, reader, writer):
    while True:
        await server.read_request(reader)
        writer.write(OK)


@pytest.fixture
async def transports():
    made = []

    def make(url, **options):
        made.append(HttpTransport(url, **options))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()
    await asyncio.sleep(0)


class Listener:
    def __init__(self):
        self.head = None
        self.body = b""
        self.ended = asyncio.get_running_loop().create_future()

    def on_head(self, head):
        assert self.head is None
        self.head = head

    def on_body(self, data):
        assert data
        assert not self.ended.done()
        self.body += data

    def on_end(self, error):
        self.ended.set_result(error)


# --- connections


async def test_a_request_and_its_response(transports):
    async with Server(forever) as server:
        transport = transports(f"http://user:pw@127.0.0.1:{server.port}/v1", key="the-key")
        listener = Listener()
        transport.post("chat/completions", b"{}", listener)
        assert await listener.ended is None

    line, fields, body = server.requests[0]
    assert line == "POST /v1/chat/completions HTTP/1.1"
    assert fields["host"] == f"127.0.0.1:{server.port}"
    assert fields["authorization"] == "bearer the-key"
    assert fields["accept-encoding"] == "identity"
    assert body == b"{}"
    assert (listener.head.status, listener.body) == (200, b"ok")


async def test_a_connection_is_reused(transports):
    async with Server(forever) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        assert [await transport.get("models") for _ in range(3)] == [b"ok"] * 3

    assert server.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\r\n",
    ],
)
async def test_a_connection_is_not_reused(transports, reply):
    async with Server(replying(reply)) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        assert [await transport.get("models") for _ in range(2)] == [b"ok"] * 2

    assert server.connections == 2


async def test_bytes_on_an_idle_connection_are_never_the_next_response(transports):
    poisoned = asyncio.Event()

    async def script(server, reader, writer):
        await server.read_request(reader)
        writer.write(OK)
        if server.connections == 1:
            await asyncio.sleep(0.01)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            await writer.drain()
            poisoned.set()
        await server.read_request(reader)

    async with Server(script) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        assert await transport.get("models") == b"ok"
        await poisoned.wait()
        assert await transport.get("models") == b"ok"

    assert server.connections == 2


async def test_an_idle_connection_that_the_server_closed_is_replaced(transports):
    async with Server(replying(OK)) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        for _ in range(4):
            assert await transport.get("models") == b"ok"

    assert server.connections == 4


async def test_idle_connections_are_closed_one_after_the_other(transports, monkeypatch):
    closed = []

    async def script(server, reader, writer):
        number = server.connections
        await server.read_request(reader)
        if number == 1:
            await asyncio.sleep(0.05)
        writer.write(OK)
        assert await reader.read() == b""
        closed.append(number)

    monkeypatch.setattr("headrace.engines.http.pool._IDLE_TIMEOUT", 0.1)
    async with Server(script) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        await asyncio.gather(transport.get("models"), transport.get("models"))
        while len(closed) < 2:
            await asyncio.sleep(0.005)

    assert closed == [2, 1]


async def test_a_request_is_not_repeated_once_a_byte_of_the_response_arrived(transports):
    async with Server(replying(OK, b"HTTP/1.1 2")) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        await transport.get("models")
        with pytest.raises(EngineError, match="closed"):
            await transport.get("models")

    assert len(server.requests) == 2


async def test_stop_closes_the_connection_and_ends_once(transports):
    async def script(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nbeginning")
        assert await reader.read() == b""
        closed.set()

    closed = asyncio.Event()
    async with Server(script) as server:
        listener = Listener()
        run = transports(f"http://127.0.0.1:{server.port}").post("x", b"", listener)
        while not listener.body:
            await asyncio.sleep(0.01)
        run.stop()
        run.stop()
        assert not listener.ended.done()  # never from within `stop`
        assert await listener.ended is None
        await asyncio.wait_for(closed.wait(), 5)


@pytest.mark.parametrize("delay", [0, 0.001, 0.01])
async def test_stop_while_connecting(transports, delay):
    async with Server(forever) as server:
        listener = Listener()
        run = transports(f"http://127.0.0.1:{server.port}").post("x", b"", listener)
        await asyncio.sleep(delay)
        run.stop()
        assert await listener.ended is None


async def test_pause_stops_the_flow_and_resume_continues_it(transports):
    sent = 0

    async def script(server, reader, writer):
        nonlocal sent
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(400):
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with Server(script) as server:
        listener = Listener()
        run = transports(f"http://127.0.0.1:{server.port}").post("x", b"", listener)
        while not listener.head:
            await asyncio.sleep(0.01)
        run.pause()
        before = -1
        while sent != before:  # until the buffers of the kernel are full
            before = sent
            await asyncio.sleep(0.2)
        received = len(listener.body)
        await asyncio.sleep(0.1)
        assert len(listener.body) == received
        run.resume()
        assert await asyncio.wait_for(listener.ended, 20) is None
        assert len(listener.body) == 400 * 65536


# --- where it goes


async def test_ipv6(transports):
    try:
        async with Server(forever, host="::1") as server:
            assert await transports(f"http://[::1]:{server.port}/v1").get("models") == b"ok"
            assert server.requests[0][1]["host"] == f"[::1]:{server.port}"
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")


async def test_a_dead_address_of_a_name_is_passed_over(transports, monkeypatch):
    async with Server(forever) as server:
        loop = asyncio.get_running_loop()
        dead = socket.create_server(("127.0.0.2", 0))
        dead.close()

        async def resolve(host, port, **_):
            assert host == "gpu.test"
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, ("127.0.0.2", port)), (*kind, ("127.0.0.1", port))]

        monkeypatch.setattr(loop, "getaddrinfo", resolve)
        assert await transports(f"http://gpu.test:{server.port}").get("models") == b"ok"


async def test_an_address_that_does_not_respond_costs_a_quarter_of_a_second(transports, monkeypatch):
    """A listening socket with a full backlog of 0: connections to it hang."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = []
    try:
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        async with Server(forever) as server:
            loop = asyncio.get_running_loop()
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")

            async def resolve(host, port, **_):
                return [(*kind, full.getsockname()), (*kind, ("127.0.0.1", server.port))]

            monkeypatch.setattr(loop, "getaddrinfo", resolve)
            assert await transports("http://gpu.test:1").get("models") == b"ok"
    finally:
        for each in (full, *fillers):
            each.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gpu1:8000",
        "ftp://gpu1",
        "http://",
        "http://gpu1:0",
        "http://gpu1:99999",
        "http://gpu1/v1?x=1",
        "http://gpü1",
    ],
)
async def test_what_is_not_the_url_of_a_server_is_refused(url):
    with pytest.raises(RequestError, match="not the base URL of a server"):
        HttpTransport(url)


# --- TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def server_context(authority, *names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


async def test_a_private_authority_is_trusted_by_option(transports, authority, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    names = []
    context = server_context(authority, "localhost")
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    async with Server(forever, context=context) as server:
        url = f"https://localhost:{server.port}/v1"
        assert await transports(url, tls=tls_context(tmp_path / "ca.pem")).get("models") == b"ok"
        with pytest.raises(EngineError, match="certificate"):
            await transports(url).get("models")

    assert names[0] == "localhost"  # SNI


async def test_a_private_authority_is_trusted_by_the_environment(
    transports, authority, tmp_path, monkeypatch
):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with Server(forever, context=server_context(authority, "localhost")) as server:
        assert await transports(f"https://localhost:{server.port}").get("models") == b"ok"


async def test_a_certificate_for_another_host_is_refused(transports, authority, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with Server(forever, context=server_context(authority, "other.test")) as server:
        with pytest.raises(EngineError, match="certificate"):
            await transports(f"https://localhost:{server.port}", tls=tls_context(tmp_path / "ca.pem")).get(
                "models"
            )


@pytest.mark.parametrize("content", [None, b"not a certificate"])
async def test_a_ca_without_certificates_is_refused(tmp_path, content):
    if content:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(RequestError, match="ca.pem"):
        HttpTransport("https://localhost", tls=tls_context(tmp_path / "ca.pem"))


# --- proxies


async def connecting(server, reader, writer):
    """A proxy for CONNECT to this machine, and for absolute targets."""
    line = await server.read_request(reader)
    method, target, _ = line.split()
    if method != "CONNECT":
        writer.write(OK)
        await writer.drain()
        return
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))

    async def copy(source, sink):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.close()

    await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))


async def test_http_goes_through_the_environments_proxy(transports, monkeypatch):
    async with Server(connecting) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://us%40er:pass@127.0.0.1:{proxy.port}")
        assert await transports("http://gpu.test:8000/v1").get("models") == b"ok"

    line, fields, _ = proxy.requests[0]
    assert line == "GET http://gpu.test:8000/v1/models HTTP/1.1"
    assert fields["host"] == "gpu.test:8000"
    assert fields["proxy-authorization"].startswith("basic ")


async def test_https_goes_through_the_proxys_tunnel(transports, monkeypatch, authority, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with (
        Server(connecting) as proxy,
        Server(forever, context=server_context(authority, "gpu.test")) as server,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
        transport = transports(f"https://gpu.test:{server.port}/v1", tls=tls_context(tmp_path / "ca.pem"))
        assert [await transport.get("models") for _ in range(2)] == [b"ok"] * 2
        assert (proxy.connections, server.connections) == (1, 1)
        assert proxy.requests[0][0] == f"CONNECT gpu.test:{server.port} HTTP/1.1"
        assert "authorization" not in proxy.requests[0][1]
        assert server.requests[0][1]["host"] == f"gpu.test:{server.port}"
        await transport.close()


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"nonsense\r\n\r\n", b""]
)
async def test_a_proxy_that_refuses_is_an_error(transports, monkeypatch, reply):
    async with Server(replying(reply)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(EngineError, match="prox|HTTP/1.1|closed"):
            await transports("https://gpu.test").get("models")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_does_not_go_through_a_proxy(transports, monkeypatch, host):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with Server(forever) as server:
        assert await transports(f"http://{host}:{server.port}").get("models") == b"ok"


async def test_no_proxy_names_hosts_that_are_reached_directly(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "gpu.test,.internal")
    from headrace.engines.http.proxy import find_proxy, urlsplit

    assert find_proxy(urlsplit("http://gpu.test:8000")) is None
    assert find_proxy(urlsplit("http://a.internal")) is None
    assert find_proxy(urlsplit("http://gpu2.test")) is not None


async def test_a_proxy_of_another_kind_is_refused(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(RequestError, match="HTTP_PROXY.*NO_PROXY=gpu.test"):
        HttpTransport("http://gpu.test")


# --- servers that misbehave: bounded memory, an error that names the limit, the next request is fine


async def flooding(head, piece):
    async def script(server, reader, writer):
        await server.read_request(reader)
        if server.connections > 1:
            writer.write(OK)
            return
        writer.write(head)
        for _ in range(100_000_000 // len(piece)):
            writer.write(piece)
            await writer.drain()

    return script


@pytest.mark.parametrize(
    ("head", "piece", "error"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000, f"head of more than {MAX_HEAD} bytes"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65536, f"head of more than {MAX_HEAD} bytes"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000, f"head of more than {MAX_HEAD} bytes"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1" * 65536,
            "chunk size line of more than",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"X: y\r\n" * 10_000,
            "trailers of more than",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 16 + b"\r\n",
            b"x" * 65536,
            "more than 12 digits",
        ),
    ],
)
async def test_a_flood_of_what_is_not_body_is_an_error_and_the_next_request_is_fine(
    transports, head, piece, error
):
    async with Server(await flooding(head, piece)) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        with pytest.raises(EngineError, match=error):
            await transport.get("models")
        assert await transport.get("models") == b"ok"
