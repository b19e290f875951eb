"""Errors for invalid requests: the documented status and code, and a message with field and value."""

import gzip
import json
import re
from contextlib import contextmanager

import httpx2
import pytest

from headrace.engines import ScriptedEngine
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from wire_client import CHAT, HELLO

KEY = {"authorization": "Bearer id.secret"}
BODY = json.dumps(HELLO).encode()


@pytest.fixture
def client(serve):
    return serve(ScriptedEngine("Hi"), api_keys=("id.secret",), max_body_size=10_000)


def post(client, key="id.secret", **request):
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return client.post(CHAT, headers=headers, **request)


CASES = [
    ("broken JSON", {"content": b'{"model":'}, 400, "1210", ["JSON"]),
    ("wrong type", {"json": {**HELLO, "max_tokens": "many"}}, 400, "1214", ["max_tokens", "many"]),
    ("missing model", {"json": {"messages": HELLO["messages"]}}, 400, "1213", ["model"]),
    ("unknown model", {"json": {**HELLO, "model": "gpt-9"}}, 400, "1211", ["gpt-9", "glm-4.6"]),
    ("empty messages", {"json": {**HELLO, "messages": []}}, 400, "1214", ["messages", "[]"]),
    (
        "only a system message",
        {"json": {**HELLO, "messages": [{"role": "system", "content": "x"}]}},
        400,
        "1214",
        ["messages", "user"],
    ),
    ("stream is a word", {"json": {**HELLO, "stream": "yes"}}, 400, "1214", ["stream", "yes"]),
    (
        "a tool with a bad name",
        {"json": {**HELLO, "tools": [{"type": "function", "function": {"name": "a b"}}]}},
        400,
        "1214",
        ["tools[0].function.name", "a b"],
    ),
    ("no key", {"json": HELLO, "key": ""}, 401, "1001", ["Authorization"]),
    ("a wrong key", {"json": HELLO, "key": "id.wrong"}, 401, "1002", ["HEADRACE_API_KEYS"]),
    (
        "a number beyond a double",
        {"content": BODY[:-1] + b', "temperature": 1e999}'},
        400,
        "1214",
        ["is inf;"],
    ),
    ("too large", {"content": b"x" * 20_000}, 400, "1210", ["10000", "--max-body-size"]),
]


@pytest.mark.parametrize(
    ("request_", "status", "code", "named"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_an_error_names_the_field_and_the_value(client, request_, status, code, named):
    response = post(client, **request_)

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    for word in named:
        assert word in response.json()["error"]["message"]


def test_an_error_repeats_the_beginning_of_a_long_name_only(client):
    name = "x" * 5000
    answers = [
        post(client, json={**HELLO, "model": name}),
        client.get(f"/v1/models/{name}", headers=KEY),
        client.get(f"{CHAT}/{name}", headers=KEY),
    ]

    assert [answer.status_code for answer in answers] == [400, 404, 404]
    for answer in answers:
        assert "xxx" in answer.text
        assert len(answer.text) < 500


def test_an_error_does_not_repeat_the_whole_key(client):
    assert "very-long-secret" not in post(client, key="id.very-long-secret", json=HELLO).text


def test_another_method_is_405_with_the_allowed_ones(client):
    response = client.put(CHAT)

    assert (response.status_code, response.json()["error"]["code"]) == (405, "1222")
    assert response.headers["allow"] == "GET, POST"
    response = client.post("/v1/models")
    assert sorted(response.headers["allow"].split(", ")) == ["GET", "HEAD"]
    assert response.json()["error"]["message"] == "/v1/models does not support POST; use GET or HEAD"


def test_another_path_is_404_with_a_json_error(client):
    response = client.get("/api/paas/v4/nothing")

    assert (response.status_code, response.json()["error"]["code"]) == (404, "1222")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/glm-4.6"])
def test_models_need_a_key_too(client, path):
    assert client.get(path).status_code == 401
    assert client.get(path, headers={"x-api-key": "id.secret"}).status_code == 200


def test_a_compressed_body_is_415(client):
    packed = gzip.compress(json.dumps(HELLO).encode())
    response = client.post(
        CHAT, content=packed, headers={"x-api-key": "id.secret", "content-encoding": "gzip"}
    )

    assert (response.status_code, response.json()["error"]["code"]) == (415, "1210")
    assert "Content-Encoding is gzip" in response.json()["error"]["message"]


class DefectiveParser(OutputParser):
    def feed(self, text):
        assert text != "!"
        return super().feed(text)


class DefectiveModel(Model, frozen=True):
    def parser(self, request):
        return DefectiveParser(self.format, {}, thinking=False)


@contextmanager
def serve_defective(text):
    model = DefectiveModel(
        ("glm-4.6", "\ud800"), ScriptedEngine(text, piece=1, delay=0.01), FORMATS["glm-4.6"], None
    )
    app = App(ModelRegistry([model]), Settings())
    with LocalServer(app) as server, httpx2.Client(base_url=server.url, trust_env=False) as client:
        yield client


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("request_", "defect"),
    [
        (("POST", CHAT, {**HELLO, "stream": True}), "AssertionError"),
        (("POST", CHAT, HELLO), "AssertionError"),
        (("GET", "/v1/models", None), "UnicodeEncodeError"),
    ],
)
def test_a_defect_is_logged_with_the_request_id_that_the_client_gets(request_, defect, caplog):
    method, path, body = request_
    with serve_defective("!") as client:
        response = client.request(method, path, json=body)

    error = response.json()["error"]
    message = re.fullmatch(r"internal server error; see the server log, (request id \w+)", error["message"])
    assert (response.status_code, error["code"]) == (500, "500")
    assert defect in caplog.text
    assert message[1] in caplog.text


@pytest.mark.interpreted
def test_a_defect_during_a_stream_closes_the_connection(caplog):
    with serve_defective("Hi!") as client, pytest.raises(httpx2.RemoteProtocolError, match="incomplete"):
        client.post(CHAT, json={**HELLO, "stream": True})

    assert "AssertionError" in caplog.text
