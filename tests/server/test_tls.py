"""HTTPS: the same answers as over HTTP, errors included, and a certificate that can be replaced."""

import socket
import ssl
import threading
import time

import httpx2
import pytest

import zai
from continuing_engine import ASSISTANT, ContinuingEngine
from headrace.configuration.certificate import load_certificate
from headrace.engines.scripted import ScriptedEngine
from headrace.formats import FORMATS
from headrace.options import OptionError
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from wire_client import CHAT, HELLO, chunks_of, deltas, stream

trustme = pytest.importorskip("trustme")

LONG = "0123456789" * 200_000


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def files(authority, tmp_path):
    """Write a certificate and its key; return the options that name them."""

    def write(name="server"):
        issued = authority.issue_cert("127.0.0.1")
        certificate, key = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        return {"tls_cert": str(certificate), "tls_key": str(key)}

    return write


@pytest.fixture
def context(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def serving(engine, **settings):
    model = Model(("glm-4.6",), engine, FORMATS["glm-4.6"], ChatTemplate("x" + ASSISTANT))
    chosen = Settings(shutdown_timeout=1.0, **settings)
    return LocalServer(App(ModelRegistry([model]), chosen), chosen)


def connect(server, context):
    _, _, address = server.url.partition("://")
    host, _, port = address.partition(":")
    return context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host)


def test_answers_and_errors_are_those_of_http(files, context):
    with serving(ScriptedEngine("Hi there"), **files()) as server:
        with httpx2.Client(base_url=server.url, verify=context, trust_env=False) as client:
            assert "".join(deltas(stream(client), "content")) == "Hi there"
            assert client.post(CHAT, json={**HELLO, "stream": "?"}).json()["error"]["code"] == "1214"
        with connect(server, context) as raw:  # what is not HTTP gets its error before the end
            raw.sendall(b"nonsense\r\n\r\n")
            answer = b"".join(iter(lambda: raw.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in head
    assert b'"code":"1210"' in body


def test_a_client_that_reads_slowly_gets_everything(files, context):
    with serving(ScriptedEngine(LONG, piece=50_000), **files()) as server:
        with httpx2.Client(base_url=server.url, verify=context, trust_env=False) as client:
            with client.stream("POST", CHAT, json={**HELLO, "stream": True}) as response:
                body = b""
                for number, piece in enumerate(response.iter_raw(1000)):
                    body += piece
                    if number % 200 == 0:
                        time.sleep(0.005)

    assert "".join(deltas(chunks_of(body), "content")) == LONG


def test_a_client_that_disconnects_stops_the_engine(files, context):
    engine = ContinuingEngine("0123456789")
    engine.pause_after(2)
    with serving(engine, **files()) as server:
        with httpx2.Client(base_url=server.url, verify=context, trust_env=False) as client:
            with client.stream("POST", CHAT, json={**HELLO, "stream": True}) as response:
                next(response.iter_raw())
        deadline = time.monotonic() + 20
        while engine.running:
            assert time.monotonic() < deadline
            time.sleep(0.005)


def test_a_certificate_is_replaced_without_dropping_a_stream(files, context):
    engine = ContinuingEngine("0123456789")
    engine.pause_after(2)
    first, settings = files("first"), {}
    with serving(engine, **first) as server:
        with httpx2.Client(base_url=server.url, verify=context, trust_env=False) as client:
            with client.stream("POST", CHAT, json={**HELLO, "stream": True}) as response:
                pieces = response.iter_raw()
                body = next(pieces)
                with connect(server, context) as before:
                    serials = [before.getpeercert()["serialNumber"]]
                settings = Settings(**files("second"))
                done = threading.Event()
                server._server.call_soon(lambda: (server._server.reload(settings), done.set()))
                done.wait()
                with connect(server, context) as after:
                    serials.append(after.getpeercert()["serialNumber"])
                server._server.call_soon(engine.go_on)
                body += b"".join(pieces)

    assert len(set(serials)) == 2
    assert "".join(deltas(chunks_of(body), "content")) == "0123456789"


def test_an_idle_connection_does_not_delay_the_end(files, context, caplog):
    with serving(ScriptedEngine("Hi there"), **files()) as server:
        with connect(server, context) as idle:
            idle.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(65536).startswith(b"HTTP/1.1 200")
            server.__exit__(None, None, None)

    assert "timeout" not in caplog.text


def test_the_sdk_uses_it(files, authority, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with serving(ScriptedEngine("Hi there"), **files()) as server:
        with zai.ZaiClient(api_key="a.b", base_url=f"{server.url}/api/paas/v4") as client:
            answer = client.chat.completions.create(model="glm-4.6", messages=HELLO["messages"])

    assert answer.choices[0].message.content == "Hi there"


def wrong(option, reason, **contents):
    return pytest.param(option, reason, contents, id=reason)


@pytest.mark.parametrize(
    ("option", "reason", "contents"),
    [
        wrong("tls_cert", "no such file or directory", tls_cert=None),
        wrong("tls_key", "no such file or directory", tls_key=None),
        wrong("tls_cert", "contains no certificate in PEM form", tls_cert=b"\xff"),
        wrong("tls_key", "contains no private key in PEM form", tls_key=b"nothing"),
        wrong("tls_key", "does not belong to the certificate", tls_key="other"),
        wrong("tls_cert", "contains no private key; set --tls-key", tls_key=""),
    ],
)
def test_files_that_cannot_be_used_are_named(files, tmp_path, option, reason, contents):
    options = files()
    for name, content in contents.items():
        if content is None:
            options[name] = str(tmp_path / "missing.pem")
        elif content == "":
            options[name] = ""
        elif content == "other":
            options[name] = files("other")["tls_key"]
        else:
            (tmp_path / f"{name}.pem").write_bytes(content)
            options[name] = str(tmp_path / f"{name}.pem")
    with pytest.raises(OptionError, match=reason) as caught:
        load_certificate(options["tls_cert"], options["tls_key"])

    assert caught.value.option == option


def test_an_encrypted_key_is_an_error_and_no_question(files, tmp_path):
    from cryptography.hazmat.primitives import serialization

    options = files()
    key = serialization.load_pem_private_key((tmp_path / "server.key").read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"sesame")
    form = serialization.PrivateFormat.PKCS8
    (tmp_path / "server.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, secret))
    with pytest.raises(OptionError, match="is encrypted; store it without a passphrase"):
        load_certificate(options["tls_cert"], options["tls_key"])
