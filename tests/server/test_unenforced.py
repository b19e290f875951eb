"""The response's header names what of a schema is not enforced."""

import httpx2
import msgspec
import pytest

from headrace.engines.scripted import ScriptedEngine
from headrace.errors import RequestError
from headrace.formats import FORMATS
from headrace.models import Model, ModelRegistry
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Settings
from headrace.server.response_writer import encode_list
from headrace.wire import decode_request

SCHEMA = {"type": "object", "properties": {"ä,\n": {"type": "array", "uniqueItems": True}}}


def request(**fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    response_format = {"type": "json_schema", "json_schema": {"schema": SCHEMA, **fields}}
    return decode_request(msgspec.json.encode({**body, "response_format": response_format}))


def model(**fields):
    return Model(["m"], ScriptedEngine([]), FORMATS["glm-4.6"], None, **fields)


def test_a_model_with_grammars_names_what_it_cannot_enforce():
    places = model(enforces_schemas=True).unenforced(request())

    assert places == ("response_format.json_schema.schema.properties.ä,\n.uniqueItems",)
    assert encode_list(places) == b"response_format.json_schema.schema.properties.%C3%A4%2C%0A.uniqueItems"


def test_with_strict_it_rejects_it():
    with pytest.raises(RequestError, match="uniqueItems cannot be enforced"):
        model(enforces_schemas=True).unenforced(request(strict=True))


def test_another_server_has_its_own_grammars():
    assert model().unenforced(request(strict=True)) == ()


def test_the_header_does_not_grow_without_end():
    header = encode_list(["response_format.json_schema.schema.uniqueItems"] * 1000)

    assert len(header) <= 4096 + len(", ...")
    assert header.endswith(b", ...")


PARAMETERS = {"type": "object", "properties": {"tools": {"type": "array", "uniqueItems": True}}}
FUNCTION = {"name": "f", "parameters": PARAMETERS}
HI = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}
CHAT = "/api/paas/v4/chat/completions"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (
            CHAT,
            {**HI, "tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "required"},
            "tools[0].function.parameters.properties.tools",
        ),
        (
            CHAT,
            {
                **HI,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "f", "schema": PARAMETERS},
                },
            },
            "response_format.json_schema.schema.properties.tools",
        ),
        (
            "/v1/messages",
            {**HI, "tools": [{"name": "f", "input_schema": PARAMETERS}], "tool_choice": {"type": "any"}},
            "tools.0.input_schema.properties.tools",
        ),
        (
            "/v1/responses",
            {
                "input": "Hi",
                "tools": [
                    {"type": "web_search"},
                    {"type": "namespace", "name": "n", "tools": [{"type": "function", **FUNCTION}]},
                ],
                "tool_choice": "required",
            },
            "tools[1].tools[0].parameters.properties.tools",
        ),
        (
            "/v1/responses",
            {
                "input": "Hi",
                "text": {"format": {"type": "json_schema", "name": "f", "schema": PARAMETERS}},
            },
            "text.format.schema.properties.tools",
        ),
    ],
)
def test_the_header_has_the_names_of_the_api(path, body, field):
    engine, template = ScriptedEngine('{"tools": []}'), ChatTemplate("{{ messages[0].content }}")
    served = Model(["m"], engine, FORMATS["glm-4.6"], template, enforces_schemas=True)
    with (
        LocalServer(App(ModelRegistry([served]), Settings())) as server,
        httpx2.Client(base_url=server.url, trust_env=False) as client,
    ):
        for stream in (False, True):
            response = client.post(path, json={**body, "model": "m", "stream": stream})
            assert response.headers["x-headrace-unenforced"] == f"{field}.uniqueItems"
