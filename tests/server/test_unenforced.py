"""The response's header names what of a schema is not enforced."""

import msgspec
import pytest

from headrace.engines.scripted import ScriptedEngine
from headrace.errors import RequestError
from headrace.formats import FORMATS
from headrace.models import Model
from headrace.server.response_writer import unenforced_header
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
    assert (
        unenforced_header(places) == b"response_format.json_schema.schema.properties.%C3%A4%2C%0A.uniqueItems"
    )


def test_with_strict_it_rejects_it():
    with pytest.raises(RequestError, match="uniqueItems cannot be enforced"):
        model(enforces_schemas=True).unenforced(request(strict=True))


def test_another_server_has_its_own_grammars():
    assert model().unenforced(request(strict=True)) == ()


def test_the_header_does_not_grow_without_end():
    header = unenforced_header(["response_format.json_schema.schema.uniqueItems"] * 1000)

    assert len(header) <= 4096 + len(", ...")
    assert header.endswith(b", ...")
