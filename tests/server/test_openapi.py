import json
from http.client import HTTPConnection

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from headrace.engines import ScriptedEngine
from headrace.formats import FORMATS
from headrace.limits import LimitSettings
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from headrace.server.openapi import describe_api
from headrace.server.turn_endpoints import MESSAGES, PREFIXES
from headrace.sse import DONE, SseDecoder

CHAT = "/v1/chat/completions"
QUOTA = "/api/monitor/usage/quota/limit"
HELLO = {"model": "glm-4.6", "messages": [{"role": "user", "content": "Hello"}]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALLING = "<think>so</think>Yes.<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>"
EFFORTS = "{% for m in messages %}{{ m.content }}{% endfor %}{{ reasoning_effort }}{{ enable_thinking }}"
ACTIONS = ("cancel", "input_items")
DOCUMENT = describe_api(PREFIXES, MESSAGES)


@pytest.fixture(scope="module")
def app():
    template = ChatTemplate(EFFORTS)
    model = Model(("glm-4.6", "other"), ScriptedEngine(CALLING), FORMATS["glm-4.6"], template, 4096)
    return App(
        ModelRegistry([model]),
        Settings(api_keys=("id.secret",), limits=LimitSettings(tokens_per_5h=1_000_000)),
    )


@pytest.fixture(scope="module")
def ask(app):
    """Send a request and return the status, the content type and the body."""
    with LocalServer(app) as server:
        client = HTTPConnection(server.url.removeprefix("http://"), timeout=30)

        def ask(method, path, body=None, key="id.secret"):
            headers = {"Content-Type": "application/json", "X-Headrace-Resumable": "1", "x-api-key": key}
            client.request(method, path, json.dumps(body) if body else None, headers)
            response = client.getresponse()
            return response.status, response.headers.get_content_type(), response.read()

        yield ask
        client.close()


def validator(schema):
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def check(method, path, answer):
    """Check an answer against the schema of its operation."""
    status, kind, body = answer
    responses = DOCUMENT["paths"][path][method.lower()]["responses"]
    response = responses.get(str(status)) or responses["default"]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = response["content"][kind]["schema"]
    if kind == "application/json":
        validator(schema).validate(json.loads(body))
    elif kind == "text/event-stream":
        data = schema["properties"]["data"]
        chunk = data["anyOf"][1]["contentSchema"] if "anyOf" in data else data["contentSchema"]
        for event in SseDecoder().feed(body):
            if event.data != DONE:
                validator(chunk).validate(json.loads(event.data))


def test_the_document_conforms_to_openapi():
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_the_document_is_served_without_a_key_and_is_the_same_for_every_server(ask):
    status, kind, body = ask("GET", "/openapi.json", key="")

    assert (status, kind) == (200, "application/json")
    assert json.loads(body) == json.loads(json.dumps(DOCUMENT))


def test_every_path_that_is_served_is_in_the_document(app):
    served = {*app.endpoints.by_path, *(f"{path}/{{id}}" for path in app.endpoints.by_id)}
    served |= {f"{path}/{{id}}/{last}" for path in app.endpoints.by_action for last in ACTIONS}
    others = {route.path.replace("{name:path}", "{id}") for route in app.routes}

    assert served | others | {"/", "/headrace.js"} == DOCUMENT["paths"].keys()


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_conforms_to_its_schema(ask, stream):
    check("POST", CHAT, ask("POST", CHAT, {**HELLO, "tools": [TOOL], "stream": stream}))


def test_resuming_and_cancelling_conform_to_their_schemas(ask):
    id = json.loads(ask("POST", CHAT, HELLO)[2])["id"]

    for method in ("GET", "POST", "DELETE"):
        check(method, f"{CHAT}/{{id}}", ask(method, f"{CHAT}/{id}"))


def test_the_list_of_turns_conforms_to_its_schema(ask):
    check("GET", CHAT, ask("GET", f"{CHAT}?status=running"))
    check("GET", CHAT, ask("GET", CHAT))


@pytest.mark.parametrize("path", MESSAGES)
def test_messages_conform_to_their_schemas(ask, path):
    request = {**HELLO, "max_tokens": 9}
    for fields in ({}, {"stream": True}, {"messages": []}):
        check("POST", path, ask("POST", path, {**request, **fields}))
    check("POST", f"{path}/count_tokens", ask("POST", f"{path}/count_tokens", HELLO))
    id = json.loads(ask("POST", path, request)[2])["id"]
    for method in ("GET", "DELETE"):
        check(method, f"{path}/{{id}}", ask(method, f"{path}/{id}"))
    check("GET", f"{path}/{{id}}", ask("GET", f"{path}/unknown"))


def test_an_asynchronous_result_conforms_to_its_schema(ask):
    path = "/api/paas/v4/async/chat/completions"
    started = ask("POST", path, HELLO)

    check("POST", path, started)
    result = "/api/paas/v4/async-result"
    check("GET", f"{result}/{{id}}", ask("GET", f"{result}/{json.loads(started[2])['id']}"))


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/{id}", QUOTA, "/health", "/metrics"])
def test_other_answers_conform_to_their_schemas(ask, path):
    check("GET", path, ask("GET", path.replace("{id}", "glm-4.6")))


@pytest.mark.parametrize(
    ("method", "path", "body", "key"),
    [
        ("POST", CHAT, {"model": "glm-4.6"}, "id.secret"),
        ("POST", CHAT, HELLO, ""),
        ("PUT", CHAT, HELLO, "id.secret"),
        ("GET", f"{CHAT}/{{id}}", None, "id.secret"),
    ],
)
def test_an_error_conforms_to_its_schema(ask, method, path, body, key):
    check("POST" if method == "PUT" else method, path, ask(method, path, body, key))


def test_a_model_reports_its_context_and_what_it_can_do(ask):
    model = {
        "id": "other",
        "object": "model",
        "created": 0,
        "owned_by": "headrace",
        "type": "model",
        "display_name": "other",
        "created_at": "1970-01-01T00:00:00Z",
        "context_length": 4096,
        "capabilities": {
            "tools": False,
            "thinking_switch": True,
            "reasoning_efforts": ["low", "medium", "high"],
            "images": False,
        },
    }

    assert json.loads(ask("GET", "/v1/models/other")[2]) == model
    assert json.loads(ask("GET", "/v1/models")[2])["data"] == [
        {**model, "id": "glm-4.6", "display_name": "glm-4.6"},
        model,
    ]


def test_responses_conform_to_their_schemas(ask):
    path = "/v1/responses"
    body = {"model": "glm-4.6", "input": "Hi"}
    started = ask("POST", path, body)
    id = json.loads(started[2])["id"]

    check("POST", path, started)
    check("GET", f"{path}/{{id}}", ask("GET", f"{path}/{id}"))
    check("POST", f"{path}/{{id}}/cancel", ask("POST", f"{path}/{id}/cancel"))
    check("GET", f"{path}/{{id}}/input_items", ask("GET", f"{path}/{id}/input_items"))
    check("DELETE", f"{path}/{{id}}", ask("DELETE", f"{path}/{id}"))
    check("POST", path, ask("POST", path, {**body, "temperature": 3}))
    check("GET", f"{path}/{{id}}", ask("GET", f"{path}/{id}"))


STARTING = ("/chat/completions", "/messages", "/responses")


@pytest.mark.parametrize("path", [path for path in DOCUMENT["paths"] if path.endswith(STARTING)])
def test_the_header_with_an_id_is_a_parameter_of_every_request_that_starts_a_turn(path):
    parameters = DOCUMENT["paths"][path]["post"]["parameters"]

    assert "X-Headrace-Request-Id" in [parameter["name"] for parameter in parameters]


def test_the_events_of_a_response_conform_to_their_schema(ask):
    *_, stream = ask("POST", "/v1/responses", {"model": "glm-4.6", "input": "Hi", "stream": True})
    schema = DOCUMENT["components"]["schemas"]["ResponseEvent"]

    for event in SseDecoder().feed(stream):
        validator(schema).validate(json.loads(event.data))
