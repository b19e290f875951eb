"""Invalid arguments, servers and networks: each raises an exception of the SDK that names the remedy."""

import math
import socket
import ssl
import subprocess
import sys
import threading

import httpx2
import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, sse, stream

MESSAGES = [{"role": "user", "content": "Hello"}]
PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>"


def ask(client, *, stream=True):
    answer = client.chat.completions.create(model="m", messages=MESSAGES, stream=stream)
    return list(answer) if stream else answer


def to(url, **options):
    return zai.ZaiClient(api_key="id.secret", base_url=url, max_retries=0, timeout=5, **options)


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_raises(key):
    with pytest.raises(zai.ZaiError, match="api_key is missing; pass api_key= or set ZAI_API_KEY"):
        zai.ZaiClient(api_key=key)


@pytest.mark.parametrize("key", ["您的apikey", "id.secret\n", " id.secret", "id.secret "])
def test_an_invalid_key_raises(key):
    with pytest.raises(zai.ZaiError, match="characters that are invalid in a key"):
        zai.AsyncZaiClient(api_key=key)


def test_the_placeholder_in_zais_documentation_is_sent_as_it_is():
    """A local server may accept any key."""
    zai.ZaiClient(api_key="Your API Key").close()


@pytest.mark.parametrize("url", ["localhost:8000", "api.z.ai", "ftp://x", "/api/paas/v4", "http://"])
def test_a_url_without_a_scheme_raises(url):
    with pytest.raises(zai.ZaiError, match="must begin with http:// or https://"):
        to(url)


NO_ADDRESSES = ["http://[", "http://127.0.0.1:99999", "http://a b/", "http://api..z.ai", "http://.z.ai"]
NO_ADDRESSES += [f"http://{'a' * 64}.com", "http://localhost:port"]


@pytest.mark.parametrize("library", ["httpx2", "httpx", None])
@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_an_invalid_url_raises(url, library):
    own = library and pytest.importorskip(library).Client(trust_env=False)
    with to(url, http_client=own) as client, pytest.raises(zai.APIConnectionError, match="base_url"):
        ask(client)


@pytest.mark.parametrize("url", NO_ADDRESSES)
async def test_an_invalid_url_raises_in_asyncio(url):
    async with zai.AsyncZaiClient(api_key="a.b", base_url=url, max_retries=0) as client:
        with pytest.raises(zai.APIConnectionError, match="base_url"):
            await client.models.list()


def test_an_unknown_host_raises():
    with (
        to("http://no-such-host.invalid") as client,
        pytest.raises(zai.APIConnectionError, match=r"cannot connect to http://no-such-host.*base_url right"),
    ):
        ask(client)


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_a_proxy_that_refuses_connections_is_named(closed_port, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{closed_port}")
    with to("http://somewhere.invalid") as client:
        with pytest.raises(
            zai.APIConnectionError, match=r"refused.*sets a proxy: is its URL right, and is it running\?"
        ):
            ask(client)


def test_a_proxy_with_an_invalid_url_is_named(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "http://a..b:2")
    with to("http://somewhere.invalid") as client:
        with pytest.raises(
            zai.APIConnectionError, match=r"sets a proxy: is its URL right, and is it running\?"
        ):
            ask(client)


@pytest.mark.parametrize(
    ("proxy", "remedy"),
    [
        ("socks5://127.0.0.1:1", r"names a SOCKS proxy.*pip install 'httpx2\[socks\]'; or unset ALL_PROXY"),
        ("socks://127.0.0.1:1", "proxy of the environment .* unset ALL_PROXY.*, or pass http_client="),
    ],
)
async def test_an_unsupported_proxy_raises(proxy, remedy, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setitem(sys.modules, "socksio", None)  # not installed
    with to("http://somewhere.invalid") as client:
        with pytest.raises(zai.APIConnectionError, match=remedy):
            client.models.list()
    async with zai.AsyncZaiClient(api_key="a.b", max_retries=0) as client:
        with pytest.raises(zai.APIConnectionError, match=remedy):
            await client.models.list()


@pytest.mark.parametrize("stream", [True, False])
def test_a_refused_connection_raises(closed_port, stream):
    with to(f"http://127.0.0.1:{closed_port}") as client:
        with pytest.raises(zai.APIConnectionError, match=r"refused.*is the server running") as caught:
            ask(client, stream=stream)
    assert str(closed_port) in str(caught.value)
    assert not isinstance(caught.value, zai.APITimeoutError)


async def test_a_refused_connection_raises_in_asyncio(closed_port):
    url = f"http://127.0.0.1:{closed_port}"
    async with zai.AsyncZaiClient(api_key="a.b", base_url=url, max_retries=0) as client:
        with pytest.raises(zai.APIConnectionError, match="is the server running"):
            await client.chat.completions.create(model="m", messages=MESSAGES)


def test_tls_to_a_server_without_tls_raises():
    with ScriptedServer(Reply(b"{}")) as server, to(server.url.replace("http://", "https://")) as client:
        with pytest.raises(zai.APIConnectionError, match=r"TLS with https://.* failed.*check that base_url"):
            ask(client)


@pytest.fixture
def certificate(tmp_path):
    """The file of an unknown authority, and the context of a server with a certificate of that authority."""
    authority = pytest.importorskip("trustme").CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return tmp_path / "authority.pem", context


def test_an_untrusted_certificate_raises(certificate):
    with ScriptedServer(Reply(b"{}"), context=certificate[1]) as server, to(server.url) as client:
        with pytest.raises(zai.APIConnectionError, match=r"TLS with https://.*CERTIFICATE_VERIFY_FAILED"):
            ask(client)


async def test_an_untrusted_certificate_raises_in_asyncio(certificate):
    with ScriptedServer(Reply(b"{}"), context=certificate[1]) as server:
        async with zai.AsyncZaiClient(api_key="a.b", base_url=server.url, max_retries=0) as client:
            with pytest.raises(zai.APIConnectionError, match=r"TLS with https://"):
                await client.chat.completions.create(model="m", messages=MESSAGES)


def test_a_certificate_trusted_by_the_environment_is_accepted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    replies = [Reply(stream("a", "b")), Reply([sse(chunk("a")), 60.0]), Reply(stream("a")[:1], end="cut")]
    with ScriptedServer(*replies, context=certificate[1]) as server, to(server.url) as client:
        assert len(ask(client)) == 3

        answer = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        threading.Timer(0.2, answer.cancel).start()
        assert len(list(answer)) == 1
        assert server.asked[0].connection == server.asked[1].connection

        with pytest.raises(zai.APIStreamDisconnectedError):
            ask(client)


@pytest.fixture(params=["", "http://127.0.0.1:1"], ids=["direct", "proxy"])
def without_certificates(monkeypatch, request):
    """The URL of a TLS server; the certificates of the environment are missing."""
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    monkeypatch.setenv("HTTPS_PROXY", request.param)
    with ScriptedServer(Reply(b"{}")) as server:
        yield server.url.replace("http://", "https://")


def test_missing_certificates_raise(without_certificates):
    with to(without_certificates) as client:
        with pytest.raises(zai.ZaiError, match=r"TLS cannot use SSL_CERT_FILE.*No such file.*unset it"):
            client.models.list()


async def test_missing_certificates_raise_in_asyncio(without_certificates):
    async with zai.AsyncZaiClient(api_key="a.b", base_url=without_certificates) as client:
        with pytest.raises(zai.ZaiError, match=r"TLS cannot use SSL_CERT_FILE.*No such file.*unset it"):
            await client.models.list()


@pytest.mark.parametrize("stream", [True, False])
def test_a_proxys_page_with_status_200_raises(stream):
    with (
        ScriptedServer(Reply(PAGE, headers={"content-type": "text/html"})) as server,
        to(server.url) as client,
    ):
        with pytest.raises(zai.APIResponseValidationError, match=r"web page.*base_url.*prox") as caught:
            ask(client, stream=stream)
    assert "Bad Gateway" in str(caught.value)
    assert caught.value.status_code == 200


@pytest.mark.parametrize("stream", [True, False])
def test_a_proxys_page_with_status_502_raises(stream):
    with ScriptedServer(Reply(PAGE, status=502)) as server, to(server.url) as client:
        with pytest.raises(zai.APIStatusError, match=r"web page.*prox.*status 502") as caught:
            ask(client, stream=stream)
    assert caught.value.status_code == 502


def test_an_unknown_path_raises():
    with ScriptedServer(Reply(b"Not Found", status=404)) as server, to(server.url + "/v9") as client:
        with pytest.raises(zai.APIStatusError, match=r"/v9/chat/completions does not exist.*check base_url"):
            ask(client)


def test_an_unknown_path_with_a_json_error_raises():
    reply = Reply(b'{"error":{"code":"1222","message":"no such API"}}', status=404)
    with ScriptedServer(reply) as server, to(server.url + "/v9") as client:
        with pytest.raises(
            zai.APIStatusError, match=r"no such API .*/v9/chat.*is base_url right\?"
        ) as caught:
            ask(client)
    assert caught.value.code == "1222"


def test_a_redirect_raises_and_names_its_target():
    reply = Reply(b"", status=307, headers={"location": "https://elsewhere/"})
    with ScriptedServer(reply) as server, to(server.url) as client:
        with pytest.raises(zai.APIStatusError, match=r"https://elsewhere/.*set base_url"):
            ask(client)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"text"', b"{"])
def test_a_body_that_is_not_a_completion_raises(body):
    with ScriptedServer(Reply(body)) as server, to(server.url) as client:
        with pytest.raises(zai.APIResponseValidationError):
            ask(client, stream=False)


@pytest.mark.parametrize("stream", [True, False])
def test_an_error_with_status_200_raises(stream):
    body = b'{"error":{"code":"1113","message":"quota used up"}}'
    with ScriptedServer(Reply(body)) as server, to(server.url) as client:
        with pytest.raises(zai.APIReachLimitError, match=r"quota used up .*status 200, code 1113"):
            ask(client, stream=stream)


def test_a_body_that_is_cut_off_raises():
    reply = Reply(b'{"choices":[', headers={"content-length": "500"}, end="cut")
    with ScriptedServer(reply) as server, to(server.url) as client:
        with pytest.raises(zai.APIConnectionError, match="the connection to .* was lost"):
            ask(client, stream=False)


def test_a_server_of_another_protocol_raises():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(b"SSH-2.0-OpenSSH\r\n")
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with to(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            with pytest.raises(zai.APIConnectionError, match="SSH-2.0-OpenSSH"):
                ask(client)
        thread.join()


def test_an_extra_body_that_is_not_a_dict_raises():
    with (
        to("http://127.0.0.1:1") as client,
        pytest.raises(zai.ZaiError, match="extra_body must be a dict, not list"),
    ):
        client.chat.completions.create(model="m", messages=MESSAGES, extra_body=[1])


@pytest.mark.parametrize("content", [object(), "\ud800", b"Hello"])
def test_a_message_that_cannot_be_encoded_raises(content):
    with (
        to("http://127.0.0.1:1") as client,
        pytest.raises(zai.ZaiError, match="cannot be encoded as JSON|is bytes; decode it"),
    ):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])


@pytest.mark.parametrize("value", ["a\r\nB: c", "北京", b"\xff"])
def test_an_invalid_header_raises(value):
    with (
        to("http://127.0.0.1:1") as client,
        pytest.raises(zai.ZaiError, match=r"header X-A is .*printable ASCII only"),
    ):
        client.models.list(extra_headers={"X-A": value})


ARGUMENTS = [
    (
        {"timeout": "fast"},
        "timeout must be a number of seconds above 0 .* or None for no limit, .* not 'fast'",
    ),
    ({"timeout": 0}, "timeout must be .* not 0"),
    ({"timeout": -1}, "timeout must be .* not -1"),
    ({"timeout": math.inf}, "timeout must be .* not inf"),
    ({"timeout": 1e12}, "timeout must be .* not 1000000000000.0"),
    ({"timeout": httpx2.Timeout(5, read=math.inf)}, r"timeout must be .* not Timeout\("),
    ({"timeout": (1, 2)}, r"timeout must be .* not \(1, 2\)"),
    ({"max_retries": None}, "max_retries must be an int, 0 or more, not None"),
    ({"max_retries": -1}, "max_retries must be .* not -1"),
    ({"stream_timeout": 30}, r"stream_timeout must be a StreamTimeout, such as .*\(idle=30\), not 30"),
    ({"api_key": 5}, "api_key must be a string, not 5"),
    ({"http_client": object()}, "http_client must be an httpx2.(Async)?Client or httpx.*, not <object"),
]


@pytest.mark.parametrize(("options", "message"), ARGUMENTS)
@pytest.mark.parametrize("make", [zai.ZaiClient, zai.AsyncZaiClient])
def test_an_invalid_argument_raises(make, options, message):
    with pytest.raises(zai.ZaiError, match=message):
        make(**{"api_key": "a.b", **options})


def test_an_http_client_for_the_other_kind_of_client_raises():
    with (
        httpx2.Client() as own,
        pytest.raises(zai.ZaiError, match="http_client must be an httpx2.AsyncClient"),
    ):
        zai.AsyncZaiClient(api_key="a.b", http_client=own)
    with pytest.raises(zai.ZaiError, match="http_client must be an httpx2.Client or httpx.Client"):
        zai.ZaiClient(api_key="a.b", http_client=httpx2.AsyncClient())


@pytest.mark.parametrize("name", ["first_chunk", "idle", "total"])
@pytest.mark.parametrize("value", ["3", 0, -3, math.inf])
def test_an_invalid_limit_raises(name, value):
    with pytest.raises(zai.ZaiError, match=f"StreamTimeout.{name} must be a number of seconds .* not "):
        zai.StreamTimeout(**{name: value})


def test_invalid_limits_of_one_stream_raise():
    with (
        to("http://127.0.0.1:1") as client,
        pytest.raises(zai.ZaiError, match=r"stream_timeout must .* not 30"),
    ):
        client.chat.completions.create(model="m", messages=MESSAGES, stream=True, stream_timeout=30)


def test_an_endless_event_raises_before_it_fills_the_memory():
    with (
        ScriptedServer(Reply([sse(chunk("a")), b"data: ", *[b"x" * (1 << 20)] * 20])) as server,
        to(server.url) as client,
    ):
        with pytest.raises(zai.APIResponseValidationError, match="longer than 16777216 bytes"):
            ask(client)


def test_importing_the_sdk_does_not_import_the_http_library():
    code = "import sys, zai; print([m for m in ('httpx2', 'httpx', 'asyncio', 'ssl', 'pydantic') if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
