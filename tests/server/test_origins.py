"""A server without API keys belongs to its user, not to the web pages in the user's browser."""

import pytest

from headrace.engines import ScriptedEngine
from wire_client import CHAT, HELLO

LOCAL = [
    "localhost",
    "localhost:80",
    "LOCALHOST",
    "127.0.0.1",
    "127.8.9.1:9",
    "[::1]",
    "[::1]:8000",
    "gpu1",
    "gpu1:1",
]
FOREIGN = [
    "",
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "localhost:80:80",
    "0.0.0.0",
    "10.0.0.1",
    "[::2]",
    "[fe80::1]:8000",
    "x@localhost",
    "gpu1.evil.example",
    "2130706433",
]
PATHS = [("POST", CHAT), ("GET", "/v1/models"), ("GET", "/metrics"), ("GET", "/health"), ("GET", "/nothing")]


@pytest.fixture
def client(serve):
    return serve(ScriptedEngine("Hi"), allowed_hosts=("GPU1",))


def code(response):
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.parametrize("scheme", ["", "http://", "https://"])
@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_foreign_host_or_origin_is_rejected_everywhere(client, scheme, method, path):
    for host in FOREIGN:
        headers = {"Origin" if scheme else "Host": scheme + host}
        assert code(client.request(method, path, json=HELLO, headers=headers)) == (403, "1220"), host


@pytest.mark.parametrize(
    "origin", ["null", "file://", "chrome-extension://abc", "data:", "http://localhost@evil.example"]
)
def test_a_page_without_a_host_of_this_machine_is_rejected(client, origin):
    assert code(client.post(CHAT, json=HELLO, headers={"Origin": origin})) == (403, "1220")


@pytest.mark.parametrize("host", LOCAL)
def test_this_machine_and_allowed_hosts_are_accepted(client, host):
    for headers in (
        {"Host": host},
        {"Origin": f"http://{host}"},
        {"Host": host, "Origin": f"https://{host}"},
    ):
        assert client.post(CHAT, json=HELLO, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 200), ("same-origin", 200), ("none", 200)]
)
def test_a_cross_site_fetch_is_rejected(client, site, status):
    assert client.post(CHAT, json=HELLO, headers={"Sec-Fetch-Site": site}).status_code == status


SIMPLE = [
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/json",
    "x/application/json",
]


@pytest.mark.parametrize("content_type", SIMPLE)
def test_a_body_that_a_form_could_send_is_rejected_unless_a_key_is_given(client, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    body = client.build_request("POST", CHAT, json=HELLO).content
    answer = client.post(CHAT, content=body, headers=headers)

    assert code(answer) == (415, "1210")
    assert "application/json" in answer.json()["error"]["message"]
    for key in ({"Authorization": "Bearer x"}, {"X-Api-Key": "x"}):
        assert client.post(CHAT, content=body, headers={**headers, **key}).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_json(client, content_type):
    body = client.build_request("POST", CHAT, json=HELLO).content

    assert client.post(CHAT, content=body, headers={"Content-Type": content_type}).status_code == 200


def test_a_server_with_keys_checks_the_key_instead(serve):
    client = serve(ScriptedEngine("Hi"), api_keys=("id.secret",))
    headers = {"Host": "gpu.example", "Origin": "https://app.example", "Authorization": "Bearer id.secret"}

    assert client.post(CHAT, json=HELLO, headers=headers).status_code == 200
    assert client.post(CHAT, json=HELLO, headers={"Host": "gpu.example"}).status_code == 401
