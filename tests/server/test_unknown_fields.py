"""Fields that no API has are accepted, as by Z.ai's service, and reported: in a header, and once in the log."""

import logging

import pytest

from headrace.engines import ScriptedEngine
from headrace.wire.unknown_fields import KNOWN_FIELDS, similar_field, unknown_fields
from wire_client import CHAT, HELLO, OPENAI_CHAT

ASYNC = "/api/paas/v4/async/chat/completions"
HEADER = "x-headrace-ignored"


@pytest.fixture
def warnings(caplog):
    def messages():
        return [record.message for record in caplog.records if "unknown field" in record.message]

    caplog.set_level(logging.WARNING)
    return messages


@pytest.mark.parametrize("path", [CHAT, OPENAI_CHAT, ASYNC])
def test_unknown_fields_are_named_in_a_header_and_once_in_the_log(serve, warnings, path):
    client = serve(ScriptedEngine(["Hi"]))
    streams = [{}] if path == ASYNC else [{"stream": True}, {"stream": False}]
    for fields in streams:
        response = client.post(path, json={**HELLO, **fields, "tool_stram": True, "größe": 1, "null": None})
        assert response.status_code == 200
        assert response.headers[HEADER] == "tool_stram, gr%C3%B6%C3%9Fe"

    ignored = "which is ignored"
    assert warnings() == [
        f'a request has the unknown field "tool_stram", {ignored}; did you mean tool_stream? (reported once)',
        f'a request has the unknown field "größe", {ignored} (reported once)',
    ]


def test_a_request_without_unknown_fields_has_no_header(serve, warnings):
    response = serve(ScriptedEngine(["Hi"])).post(CHAT, json={**HELLO, "metadata": {"any": 1}})

    assert HEADER not in response.headers
    assert warnings() == []


def test_the_header_is_part_of_an_error_that_follows_from_the_request(serve):
    response = serve(ScriptedEngine(["Hi"])).post(CHAT, json={**HELLO, "model": "none", "x": 1})

    assert response.status_code == 400
    assert response.headers[HEADER] == "x"


def test_neither_long_names_nor_many_fill_the_header_or_the_log(serve, warnings):
    client = serve(ScriptedEngine(["Hi"]))
    for turn in range(30):
        names = {f"{turn}-{index}-" + "x" * 90: 1 for index in range(9)}
        assert len(client.post(CHAT, json={**HELLO, **names}).headers[HEADER]) < 700

    assert len(warnings()) == 100
    assert max(map(len, warnings())) < 200


def test_of_many_fields_each_is_logged_at_last(serve, warnings):
    client = serve(ScriptedEngine(["Hi"]))
    names = {f"field {letter}": 1 for letter in "abcdefghijklmnopqrst"}
    for _ in range(3):
        client.post(CHAT, json={**HELLO, **names})

    assert len(warnings()) == 20


@pytest.mark.parametrize("name", ["n_predict", "function", "usage", "xyz", ""])
def test_no_field_without_an_effect_is_suggested(name):
    assert similar_field(name) == ""


@pytest.mark.parametrize("name", sorted(KNOWN_FIELDS))
def test_no_known_field_is_reported(name):
    assert unknown_fields({name: 1, f"{name}_": 1, "": 1}) == [f"{name}_"]
