"""Pages of allowed origins may call the server and read all it answers; others learn nothing."""

import asyncio
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.engines import ScriptedEngine
from headrace.errors import RequestError
from headrace.server import App, Model, ModelRegistry, Settings
from headrace.server.connection import HttpConnection
from headrace.server.cors import EXPOSED, CorsPolicy
from headrace.turns.settings import TurnSettings
from http_connections import HEAD, Server, feed
from virtual_time import virtual_time
from wire_client import CHAT, HELLO, chunks_of

__all__ = ["virtual_time"]

APP = "https://app.example"
KEY = {"Authorization": "Bearer id.secret"}
PAGE = {"Origin": APP}
PREFLIGHT = {**PAGE, "Access-Control-Request-Method": "POST"}
PATHS = [
    CHAT,
    f"{CHAT}/some-turn",
    "/api/paas/v4/async/chat/completions",
    "/api/paas/v4/async-result/some-turn",
    "/v1/chat/completions",
    "/v1/models",
    "/health",
    "/v1/messages",
    "/nothing",
]


@pytest.fixture
def client(serve):
    return serve(ScriptedEngine("Hi"), api_keys=("id.secret",), cors_origin=(APP,))


def granted(response):
    """The origin that may read a response; "" if none may."""
    assert response.headers.get_list("access-control-allow-origin")[1:] == []
    return response.headers.get("access-control-allow-origin", "")


# --- which origins ------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["app.example", "sub.app.example", "localhost", "127.0.0.1", "127.9.9.9", "[::1]", "10.0.0.1"]
)
ORIGINS = st.builds(
    "{}://{}{}".format,
    st.sampled_from(["http", "https", "app", "chrome-extension"]),
    NAMES,
    st.sampled_from(["", ":3000", ":8443"]),
)
LOOPBACK = {"localhost", "127.0.0.1", "127.9.9.9", "[::1]"}
ODD = st.one_of(
    st.sampled_from(
        [
            "",
            "*",
            "null",
            "file://",
            "http://evil-localhost.com",
            "http://localhost.evil.example",
            "http://localhost@evil.example",
            "http://evil.example#http://localhost",
            "http://2130706433",
            "http://127.1",
            "http://[::2]",
            "http://[::ffff:10.0.0.1]",
            "http://localhost:80:80",
            "http://localhost:",
            "http://localhost, https://app.example",
            "//localhost",
            "localhost",
        ]
    ),
    ORIGINS.map(str.upper),
    ORIGINS.map("{}/".format),
    ORIGINS.map("{}.evil.example".format),
    ORIGINS.map(" {}".format),
    ORIGINS.map("{}\n".format),
    ORIGINS.map(lambda origin: origin.replace("://", "://x.")),
    st.text(st.characters(max_codepoint=255), max_size=20),
)


def policy_headers(policy, origin, path=CHAT):
    headers = [(b"origin", origin.encode("latin-1"))]
    connection = HttpConnection({"method": "POST", "path": path, "headers": headers}, None, None)
    return dict(policy.headers(connection))


def is_page_of_this_machine(origin):
    scheme, _, authority = origin.partition("://")
    host = authority if authority.endswith("]") else re.sub(":(3000|8443)$", "", authority)
    return scheme in ("http", "https") and host in LOOPBACK


@given(st.frozensets(st.one_of(ORIGINS, st.just("*"))), st.booleans(), st.one_of(ORIGINS, ODD))
def test_only_an_allowed_origin_is_granted_byte_for_byte(origins, is_open, origin):
    headers = policy_headers(CorsPolicy(origins, is_open=is_open), origin)
    value = headers.get(b"access-control-allow-origin")

    if "*" in origins:
        assert value == b"*"
    elif origin in origins or (is_open and is_page_of_this_machine(origin)):
        assert value == origin.encode("latin-1")
        assert headers[b"vary"] == b"Origin"
    else:
        assert headers == {b"vary": b"Origin"}


@pytest.mark.parametrize("origins", [(APP, "http://localhost:3000"), ("*",)])
def test_metrics_are_not_for_pages(serve, origins):
    client = serve(ScriptedEngine("Hi"), api_keys=("id.secret",), cors_origin=origins)

    assert granted(client.get("/metrics", headers={**PAGE, **KEY})) == ""
    assert client.options("/metrics", headers=PREFLIGHT).status_code == 403


# --- preflight requests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_needs_no_key(client, path):
    names = "authorization,content-type,last-event-id,x-headrace-resumable,x-stainless-retry-count,x-title"
    response = client.options(path, headers={**PREFLIGHT, "Access-Control-Request-Headers": names})

    assert (response.status_code, response.content) == (204, b"")
    assert granted(response) == APP
    assert response.headers["access-control-allow-methods"] == "GET, POST, DELETE"
    assert response.headers["access-control-allow-headers"] == names
    assert response.headers["access-control-max-age"] == "7200"
    assert "Origin" in response.headers["vary"]
    assert "access-control-allow-private-network" not in response.headers


def test_a_page_may_come_from_another_network_if_the_browser_asks(client):
    response = client.options(CHAT, headers={**PREFLIGHT, "Access-Control-Request-Private-Network": "true"})

    assert response.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize("names", ["", "a\xe9", "a:b", "a;b", '"'])
def test_what_is_no_list_of_names_is_not_repeated(client, names):
    headers = {**PREFLIGHT, "Access-Control-Request-Headers": names.encode("latin-1")}

    assert "access-control-allow-headers" not in client.options(CHAT, headers=headers).headers


def test_a_preflight_of_another_origin_is_rejected_with_the_remedy(client):
    response = client.options(CHAT, headers={**PREFLIGHT, "Origin": "https://other.example"})

    assert (response.status_code, response.json()["error"]["code"]) == (403, "1220")
    assert "--cors-origin" in response.json()["error"]["message"]
    assert granted(response) == ""


@pytest.mark.parametrize("missing", PREFLIGHT)
def test_options_without_a_preflight_is_no_method(client, missing):
    headers = {name: value for name, value in PREFLIGHT.items() if name != missing}

    assert client.options(CHAT, headers={**headers, **KEY}).status_code == 405


# --- responses ------------------------------------------------------------------------------------------------


def test_a_page_reads_streams_and_their_ids(client):
    headers = {**PAGE, **KEY, "X-Headrace-Resumable": "1"}
    stream = client.post(CHAT, json={**HELLO, "stream": True}, headers=headers)
    resumed = client.get(
        f"{CHAT}/{stream.headers['x-headrace-turn']}", headers={**PAGE, **KEY, "Last-Event-ID": "1"}
    )

    for response in (stream, resumed):
        assert response.status_code == 200
        assert chunks_of(response.content)
        assert granted(response) == APP
        assert response.headers["vary"] == "Origin"
        assert "x-headrace-turn" in response.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("request_line", "body", "headers", "status"),
    [
        (f"POST {CHAT}", HELLO, {}, 401),
        (f"POST {CHAT}", HELLO, {"Authorization": "Bearer id.wrong"}, 401),
        (f"POST {CHAT}", {**HELLO, "temperature": 9}, KEY, 400),
        (f"POST {CHAT}", {**HELLO, "model": "other"}, KEY, 400),
        (f"PUT {CHAT}", HELLO, KEY, 405),
        (f"GET {CHAT}/nothing", None, KEY, 404),
        (f"DELETE {CHAT}/nothing", None, KEY, 404),
        ("POST /v1/messages", HELLO, KEY, 400),
        ("GET /v1/models", None, {}, 401),
        ("GET /v1/models", None, KEY, 200),
        ("GET /v1/models/other", None, KEY, 404),
        ("GET /nothing", None, KEY, 404),
        ("GET /health", None, {}, 200),
        (f"POST {CHAT}", HELLO, KEY, 200),
        ("POST /v1/async/chat/completions", HELLO, KEY, 200),
    ],
)
def test_a_page_reads_every_response(client, request_line, body, headers, status):
    method, path = request_line.split()
    response = client.request(method, path, json=body, headers={**PAGE, **headers})
    other = client.request(method, path, json=body, headers={"Origin": "https://other.example", **headers})
    none = client.request(method, path, json=body, headers=headers)

    assert response.status_code == other.status_code == none.status_code == status
    assert (granted(response), granted(other), granted(none)) == (APP, "", "")
    assert "vary" not in none.headers


def test_a_page_reads_why_it_has_to_wait(serve):
    turns = TurnSettings(max_async_per_key=1)
    client = serve(ScriptedEngine("Hi", delay=60), api_keys=("id.secret",), cors_origin=(APP,), turns=turns)
    path = "/v1/async/chat/completions"
    _, response = [client.post(path, json=HELLO, headers={**PAGE, **KEY}) for _ in range(2)]

    assert response.status_code == 429
    assert granted(response) == APP
    assert "retry-after" in response.headers["access-control-expose-headers"]


async def test_a_page_reads_that_its_body_took_too_long(virtual_time):
    model = Model(("glm-4.6",), ScriptedEngine("Hi"), None, None)
    server = Server(app=App(ModelRegistry([model]), Settings(cors_origin=(APP,))))
    connection = server.connect()
    await feed(connection, HEAD.replace(b"/x", CHAT.encode()) + f"Origin: {APP}\r\n".encode())
    await feed(connection, b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
    while not connection.statuses:
        await asyncio.sleep(1)

    assert connection.statuses == [408]
    assert f"access-control-allow-origin: {APP}\r\n".encode() in connection.written


async def test_other_servers_than_uvicorn_send_the_headers_too():
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b""}

    headers = [(b"origin", APP.encode())]
    scope = {"type": "http", "method": "GET", "path": "/health", "query_string": b"", "headers": headers}
    await App(ModelRegistry([]), Settings(api_keys=("id.secret",), cors_origin=(APP,)))(scope, receive, send)

    assert (b"access-control-allow-origin", APP.encode()) in sent[0]["headers"]


def test_every_header_of_responses_can_be_read():
    source = Path(__file__).parents[2] / "packages/headrace/src/headrace/server"
    names = {
        name
        for path in source.glob("*.py")
        for name in re.findall(
            r'b"((?:x-)?request-id|retry-after|x-headrace-[a-z-]+)"', path.read_text("utf-8")
        )
    }

    assert names == set(EXPOSED)


# --- a server without keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://127.0.0.1:1", "https://[::1]:9", APP])
def test_pages_of_this_machine_and_configured_ones_may_call_an_open_server(serve, site, origin):
    client = serve(ScriptedEngine("Hi"), cors_origin=(APP,))
    headers = {"Origin": origin, "Sec-Fetch-Site": site}

    assert client.options(CHAT, headers={**PREFLIGHT, **headers}).status_code == 204
    response = client.post(CHAT, json=HELLO, headers=headers)
    assert (response.status_code, granted(response)) == (200, origin)


@pytest.mark.parametrize("origins", [(), (APP,)])
def test_other_pages_may_not_call_an_open_server(serve, origins):
    client = serve(ScriptedEngine("Hi"), cors_origin=origins)
    for origin in ("https://evil.example", "null", "http://evil-localhost.com", "https://sub.app.example"):
        for method in ("OPTIONS", "POST", "GET"):
            response = client.request(method, CHAT, json=HELLO, headers={**PREFLIGHT, "Origin": origin})

            assert (response.status_code, granted(response)) == (403, ""), (origin, method)


@pytest.mark.parametrize("origins", [(APP,), ("*",)])
def test_no_origin_makes_a_foreign_host_acceptable(serve, origins):
    client = serve(ScriptedEngine("Hi"), cors_origin=origins)
    for method in ("OPTIONS", "POST"):
        headers = {**PREFLIGHT, "Host": "rebound.example:8000"}

        assert client.request(method, CHAT, json=HELLO, headers=headers).status_code == 403


def test_every_page_may_call_an_open_server_if_all_are_allowed(serve):
    client = serve(ScriptedEngine("Hi"), cors_origin=("*",))
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        response = client.post(CHAT, json=HELLO, headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})

        assert (response.status_code, granted(response)) == (200, "*")
        assert "vary" not in response.headers


# --- the option -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin", [APP, "*", "http://localhost:3000", "http://[::1]:1", "app://obsidian.md", "tauri://localhost"]
)
def test_an_origin_as_browsers_send_it_is_accepted(origin):
    assert Settings(cors_origin=(origin,)).cors_origin == (origin,)


@pytest.mark.parametrize(
    ("origin", "remedy"),
    [
        ("https://app.example/", "as https://app.example;"),
        ("HTTPS://App.Example:443", "as https://app.example;"),
        ("http://app.example:0080", "as http://app.example;"),
        ("http://[0:0::1]:80", "as http://[::1];"),
        ("app.example", "scheme://host"),
        ("https://app.example/page", "scheme://host"),
        ("https://app.example:66000", "scheme://host"),
        ("https://bücher.example", "scheme://host"),
        ("https://*.app.example", "wildcard"),
        ("null", "sandboxed"),
        ("", "scheme://host"),
    ],
)
def test_another_spelling_is_rejected_with_the_remedy(origin, remedy):
    with pytest.raises(RequestError, match="cors_origin") as caught:
        Settings(cors_origin=(origin,))

    assert remedy in str(caught.value)
