"""The size and depth of a client's JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RequestError
from headrace.wire import decode_request, json_value
from headrace.wire.json_value import MAX_SYMBOLS, SizeError, decode_json

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

    assert len(list(json_value._symbols(body))) == symbols(value)


@pytest.mark.parametrize("piece", ["a", '\\"', "\\\\", "\\u6c34", "水"])
@pytest.mark.parametrize("length", [63, 64, 65, 16_383, 16_384, 16_385, 100_000])
def test_a_string_of_any_length_is_one_symbol(piece, length):
    body = b'["' + piece.encode() * length + b'",""]'

    assert len(list(json_value._symbols(body))) == 4


PIECES = ["[],", '{"a":1},', '"\\"",', '"",']


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("convert", [str, str.encode])
def test_too_many_values_are_rejected_before_they_are_decoded(piece, convert):
    with pytest.raises(SizeError, match=str(MAX_SYMBOLS)):
        decode_json(convert("[" + piece * MAX_SYMBOLS))  # which is not JSON, but that is not noticed

    assert decode_json(convert(json.dumps({"a": piece * MAX_SYMBOLS}))) == {"a": piece * MAX_SYMBOLS}


@pytest.mark.parametrize("count", [MAX_SYMBOLS - 1, MAX_SYMBOLS])
def test_the_limit_of_values_is_exact(count):
    text = f'["{"a" * MAX_SYMBOLS}"{",1" * (count - 2)}]'
    assert len(decode_json(text)) == count - 1
    with pytest.raises(SizeError):
        decode_json(text.replace("1]", "1,1,1]"))


def test_the_body_and_the_arguments_of_a_call_have_the_same_limit():
    numbers = "[" + "1," * MAX_SYMBOLS + "1]"
    body = '{"model":"m","messages":[{"role":"user","content":"a"},%s],"x":%s}'
    call = {"function": {"name": "f", "arguments": numbers}}
    message = json.dumps({"role": "assistant", "tool_calls": [call]})
    with pytest.raises(RequestError, match="^the body has more than") as too_large:
        decode_request((body % ('{"role":"user","content":"a"}', numbers)).encode())
    with pytest.raises(
        RequestError, match=r"^messages\[1\].tool_calls\[0\].function.arguments has more than"
    ):
        decode_request((body % (message, "1")).encode())

    assert too_large.value.code == "1210"


def test_the_cost_of_an_unclosed_string_is_linear():
    with pytest.raises(ValueError, match="truncated"):
        decode_json(b'"' + b'\\"' * 5_000_000)  # would take days if each quote began a search
