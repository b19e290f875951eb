"""A request of Codex in which any value is replaced or removed: accepted, or an error that names a field."""

import copy
import json

import pytest

from codex_request import CODEX
from headrace.errors import RequestError
from headrace.wire import decode_stored_request, encode_request
from headrace.wire.responses import decode_response_request, encode_response_error, form_of

VALUES = (
    None,
    True,
    7,
    -1.5,
    "",
    "x",
    [],
    {},
    [None],
    [[]],
    {"type": "x"},
    [{"type": "x"}],
    {"type": 7},
    "\ud83d",
)
FURTHER = {
    "background": False,
    "conversation": None,
    "instructions": "a",
    "max_output_tokens": 9,
    "metadata": {},
    "previous_response_id": None,
    "prompt": None,
    "temperature": 1,
    "top_logprobs": 0,
    "top_p": 1,
    "truncation": "auto",
}


def places(value, path=()):
    """Yield the path of every value within a value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def changed(value, path, new):
    """Return a copy with another value at a path; without the value, if the new one is `...`."""
    if not path:
        return new
    copied = copy.deepcopy(value)
    owner = copied
    for key in path[:-1]:
        owner = owner[key]
    if new is ...:
        del owner[path[-1]]
    else:
        owner[path[-1]] = new
    return copied


REFERENCE = {"type": "item_reference", "id": "rs_1_0"}
REQUEST = {**CODEX, **FURTHER, "input": [REFERENCE, *CODEX["input"]]}
PLACES = [path for path in places(REQUEST) if path]
FIELDS = sorted({path[0] for path in PLACES})


def faults(body):
    """Return what is wrong with the outcome of a request."""
    try:
        chat = decode_response_request(json.dumps(body).encode()).chat
    except RequestError as error:
        encoded = json.loads(encode_response_error(error))["error"]
        is_right = error.status == 400 and encoded["param"] and "messages[" not in error.message
        return [] if is_right else [encoded]
    stored = decode_stored_request(encode_request(chat))
    return [] if form_of(stored) == form_of(chat) else ["another form after a restart"]


@pytest.mark.parametrize("field", FIELDS)
def test_whatever_is_wrong_is_an_error_with_a_field(field):
    paths = [path for path in PLACES if path[0] == field]
    found = [
        (path, value, fault)
        for path in paths
        for value in (..., *VALUES)
        for fault in faults(changed(REQUEST, path, value))
    ]

    assert found == []


def test_the_request_itself_is_accepted():
    assert decode_response_request(json.dumps(REQUEST).encode()).chat.temperature == 1
