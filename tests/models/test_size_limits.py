import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RequestError
from headrace.models import size_limits
from headrace.models.size_limits import BYTES_PER_TOKEN, check_body, check_request
from headrace.wire import decode_request

CONTEXT = 100
CALL = {"function": {"name": "f", "arguments": "{}"}}


def request(*messages, **fields):
    return decode_request(json.dumps({"model": "m", "messages": messages, **fields}).encode())


def user(content):
    return {"role": "user", "content": content}


TOO_LARGE = [
    [user("a")] * (CONTEXT + 1),
    [user([{"type": "text", "text": ""}] * (CONTEXT + 1))],
    [user("a"), {"role": "assistant", "tool_calls": [CALL] * (CONTEXT + 1)}],
    [user("a" * (CONTEXT * BYTES_PER_TOKEN + 1))],
    [user("a"), {"role": "assistant", "reasoning_content": "a" * (CONTEXT * BYTES_PER_TOKEN + 1)}],
]


@pytest.mark.parametrize("messages", TOO_LARGE)
def test_what_cannot_fit_into_the_context_is_1261(messages):
    check_request(request(*messages), 0)  # unknown
    check_request(request(*messages), 10 * CONTEXT)
    with pytest.raises(RequestError, match=str(CONTEXT)) as caught:
        check_request(request(*messages), CONTEXT)

    assert caught.value.code == "1261"


def test_tools_count_as_well():
    tool = {"type": "function", "function": {"name": "f", "description": "a" * CONTEXT * BYTES_PER_TOKEN}}
    with pytest.raises(RequestError, match="tools"):
        check_request(request(user("a"), tools=[tool]), CONTEXT)


def test_variables_of_the_chat_template_count_as_well():
    variables = {"documents": ["a" * CONTEXT * BYTES_PER_TOKEN]}
    with pytest.raises(RequestError, match="chat_template_kwargs") as caught:
        check_request(request(user("a"), chat_template_kwargs=variables), CONTEXT)

    assert caught.value.code == "1261"


VALUES = st.recursive(
    st.text() | st.integers() | st.booleans(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
)


def symbols(value):
    match value:
        case list():
            return 1 + max(len(value) - 1, 0) + sum(map(symbols, value))
        case dict():
            return 1 + max(2 * len(value) - 1, 0) + sum(map(symbols, value.values()))
        case str():
            return 1
        case _:
            return 0


@given(VALUES)
def test_exactly_the_symbols_outside_of_strings_are_counted(value):
    body = json.dumps(value).encode()

    assert len(list(size_limits._symbols(body))) == symbols(value)


@pytest.mark.parametrize("piece", ["a", '\\"', "\\\\", "\\u6c34", "水"])
@pytest.mark.parametrize("length", [63, 64, 65, 16_383, 16_384, 16_385, 100_000])
def test_a_string_of_any_length_is_one_symbol(piece, length):
    body = b'["' + piece.encode() * length + b'",""]'

    assert len(list(size_limits._symbols(body))) == 4


@pytest.mark.parametrize("piece", [b"[],", b'{"a":1},', b'"\\"",', b'""', b"{"])
def test_a_body_of_too_many_values_is_rejected_and_one_long_string_is_not(piece):
    with pytest.raises(RequestError, match="200000") as caught:
        check_body(b"[" + piece * 300_000)

    assert caught.value.code == "1210"
    check_body(json.dumps({"a": piece.decode() * 300_000}).encode())


def test_the_cost_of_an_unclosed_string_is_linear():
    check_body(b'"' + b'\\"' * 5_000_000)  # would take days if each quote began a search
