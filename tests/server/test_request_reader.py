"""Every endpoint that starts a turn has the same authentication and the same limits."""

import pytest

from headrace.engines import ScriptedEngine
from headrace.server import App, ModelRegistry, Settings
from wire_client import CHAT, HELLO

PATHS = list(App(ModelRegistry([]), Settings()).endpoints)
KEY = {"x-api-key": "id.secret"}
every_endpoint = pytest.mark.parametrize("path", PATHS)


@pytest.fixture
def client(serve):
    return serve(ScriptedEngine("Hi"), api_keys=("id.secret",), max_body_size=1000)


def error_of(response):
    return response.status_code, response.json()["error"]["code"]


def test_every_prefix_has_its_endpoints():
    assert CHAT in PATHS
    assert len(PATHS) % 3 == 0


@every_endpoint
def test_a_valid_request_is_accepted(client, path):
    assert client.post(path, json=HELLO, headers=KEY).status_code == 200


@every_endpoint
def test_an_api_key_is_needed(client, path):
    assert error_of(client.post(path, json=HELLO)) == (401, "1001")


@every_endpoint
def test_the_size_of_a_body_is_limited(client, path):
    response = client.post(path, content=b" " * 1001, headers=KEY)

    assert error_of(response) == (400, "1210")
    assert "--max-body-size" in response.text


@every_endpoint
def test_other_methods_are_rejected_before_the_body_is_read(client, path):
    response = client.put(path, content=b" " * 1001, headers=KEY)

    assert error_of(response) == (405, "1222")
    assert response.headers["allow"] == "POST"


@every_endpoint
def test_fields_are_checked(client, path):
    assert error_of(client.post(path, json={**HELLO, "messages": []}, headers=KEY)) == (400, "1214")
