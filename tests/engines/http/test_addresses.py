"""Where the HTTP client of upstreams connects to: addresses, proxies, and certificates that it trusts."""

import asyncio
import socket
import ssl

import pytest
import trustme

from headrace.engines.http import HttpTransport, tls_context
from headrace.errors import EngineError, RequestError
from raw_server import OK, Server, forever, replying, transports

__all__ = ["transports"]


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
