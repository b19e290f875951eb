"""Whatever a request contains, it is decoded, or refused by an error that names a field of the client."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RequestError
from headrace.wire import decode_stored_request, encode_request
from headrace.wire.messages import decode_message_request
from headrace.wire.messages.errors import error_of

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
RESULT = {
    "type": "tool_result",
    "tool_use_id": "c",
    "is_error": False,
    "content": [{"type": "text", "text": "r"}, IMAGE],
}
CALL = {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}
THOUGHT = {"type": "thinking", "thinking": "t", "signature": "s"}
REQUEST = {
    "model": "glm-4.6",
    "max_tokens": 100,
    "stream": True,
    "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "Hello"},
        {"role": "system", "content": "s"},
        {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "a"}, CALL]},
        {"role": "user", "content": [RESULT, {"type": "text", "text": "b"}]},
    ],
    "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}, "defer_loading": False}],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["END"],
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "text", "a"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def paths(value, path=()):
    """The path of every value within a value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    for key, inner in items:
        yield from paths(inner, (*path, key))


PATHS = [path for path in paths(REQUEST) if path]


def changed(path, value, *, removes):
    request = copy.deepcopy(REQUEST)
    owner = request
    for key in path[:-1]:
        owner = owner[key]
    if removes:
        del owner[path[-1]]
    else:
        owner[path[-1]] = value
    return request


def test_the_request_itself_is_accepted():
    request = decode_message_request(json.dumps(REQUEST).encode()).request
    assert decode_stored_request(encode_request(request)) == request


@given(st.sampled_from(PATHS), JSON, st.booleans())
def test_a_change_anywhere_is_accepted_or_refused_by_the_name_of_a_field(path, value, removes):
    body = json.dumps(changed(path, value, removes=removes)).encode()
    try:
        request = decode_message_request(body).request
    except RequestError as error:
        named = error_of(error)["message"].replace("[", ".").partition(".")[0].partition(":")[0].split()[0]
        assert named in REQUEST
    else:
        assert decode_stored_request(encode_request(request)) == request


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b"null", b'"a"', b"\xff", b"{}"])
def test_other_bodies_are_refused(body):
    with pytest.raises(RequestError):
        decode_message_request(body)
