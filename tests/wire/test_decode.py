"""JSON → structs: strict decoding and the lenient fallback."""

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import DecodeError
from headrace.wire.chunk import Chunk, ChunkChoice, Delta, FunctionDelta, ToolCallDelta, Usage
from headrace.wire.completion import Accumulator, Completion
from headrace.wire.decode import (
    STRICT_ERRORS,
    build_model,
    decode_chunk,
    decode_model,
    decode_object,
    decode_strict_chunk,
)

PLAIN = {
    "id": "20260313050448e162ecc8207a4c47",
    "created": 1773349488,
    "object": "chat.completion.chunk",
    "model": "glm-4.7-flash",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "delta": {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "index": 0,
                        "type": "function",
                        "function": {"name": "add", "arguments": "{}"},
                    }
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 275,
        "completion_tokens": 112,
        "total_tokens": 387,
        "prompt_tokens_details": {"cached_tokens": 43},
        "completion_tokens_details": {"reasoning_tokens": 64},
    },
}


def test_chunks_of_zai_are_decoded_strictly():
    data = json.dumps(PLAIN).encode()

    assert decode_strict_chunk(data) == decode_chunk(data)
    assert decode_chunk(data).to_dict() == PLAIN


def test_strict_and_lenient_decoding_build_the_same_objects():
    strict = decode_chunk(json.dumps(PLAIN).encode())
    tolerant = build_model(Chunk, PLAIN)

    assert tolerant == strict
    assert type(tolerant.choices[0].delta.tool_calls[0].function) is FunctionDelta
    assert type(tolerant.usage.prompt_tokens_details) is type(strict.usage.prompt_tokens_details)


ODD = {
    '{"choices":[]}': Chunk(choices=[]),
    '{"choices":[],"usage":null}': Chunk(choices=[]),
    '{"choices":null}': Chunk(choices=None),
    "{}": Chunk(choices=None),
    '{"choices":[{"delta":{"content":"a"}}]}': Chunk(
        choices=[ChunkChoice(index=None, delta=Delta(content="a"))]
    ),
    '{"choices":[{"index":0}]}': Chunk(choices=[ChunkChoice(index=0, delta=None)]),
    '{"choices":[{"index":"0","delta":null}]}': Chunk(choices=[ChunkChoice(index=0, delta=None)]),
    '{"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"name":null}}]}}]}': Chunk(
        choices=[
            ChunkChoice(
                index=0,
                delta=Delta(tool_calls=[ToolCallDelta(index=None, function=FunctionDelta(arguments=None))]),
            )
        ]
    ),
    '{"choices":[],"usage":{"prompt_tokens":1}}': Chunk(
        choices=[], usage=Usage(prompt_tokens=1, completion_tokens=None, total_tokens=None)
    ),
    '{"choices":[],"usage":[]}': Chunk(choices=[]),
    '{"choices":[null,0,[]]}': Chunk(choices=[]),
    '{"choices":[{"index":0,"delta":{"tool_calls":[null]}}]}': Chunk(
        choices=[ChunkChoice(index=0, delta=Delta(tool_calls=[]))]
    ),
}


@pytest.mark.parametrize(("text", "expected"), ODD.items())
def test_non_conforming_chunks_are_decoded(text, expected):
    assert decode_chunk(text.encode()) == expected


def test_a_plain_value_of_a_wrong_type_is_kept():
    chunk = decode_chunk(b'{"id":17,"created":"now","choices":[{"index":0,"delta":{},"finish_reason":3}]}')

    assert (chunk.id, chunk.created, chunk.choices[0].finish_reason) == (17, "now", 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"choices":{"a":1}}', "choices is '{\"a\":1}', not a list of objects"),
        ('{"choices":["text"]}', "choices is '\"text\"', not an object"),
        ('{"choices":[{"delta":"text"}]}', "delta is '\"text\"', not an object"),
        ('{"choices":[],"usage":3}', "usage is '3', not an object"),
    ],
)
def test_a_plain_value_instead_of_an_object_is_an_error_that_shows_it(text, message):
    with pytest.raises(DecodeError) as caught:
        decode_chunk(text.encode())
    assert str(caught.value) == message


@pytest.mark.parametrize("raw", ["\x0b", "\x01", "\t", "\u2028", "\u0085"])
def test_raw_control_characters_in_a_string_are_accepted(raw):
    chunk = decode_chunk(f'{{"choices":[{{"index":0,"delta":{{"content":"a{raw}b"}}}}]}}'.encode())

    assert chunk.choices[0].delta.content == f"a{raw}b"


def test_invalid_utf_8_becomes_the_replacement_character():
    chunk = decode_chunk(b'{"choices":[{"index":0,"delta":{"content":"a\xffb"}}]}')

    assert chunk.choices[0].delta.content == "a\ufffdb"


def test_half_a_surrogate_pair_becomes_a_question_mark():
    chunk = decode_chunk(
        rb'{"choices":[{"index":0,"delta":{"content":"a\ud83d\ud83d\ude00","\udfff":"b\\ud83d"}}]}'
    )

    assert chunk.choices[0].delta.content == "a?😀"
    assert json.loads(chunk.to_json())["choices"][0]["delta"]["?"] == "b\\ud83d"


def test_nan_and_infinity_are_accepted():
    chunk = decode_chunk(b'{"choices":[{"index":0,"delta":{},"logprobs":-Infinity}]}')

    assert chunk.choices[0].logprobs == float("-inf")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'"text"',
        b"null",
        b"12",
        b"{",
        b"<html>",
        b'{"a":}',
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 9999,
    ],
)
def test_json_that_is_not_an_object_is_an_error_that_shows_it(data):
    for decode in (decode_chunk, partial(decode_model, Completion), decode_object):
        with pytest.raises(DecodeError, match="expected a JSON object, got '"):
            decode(data)


def test_an_error_shows_only_the_start_of_the_data():
    with pytest.raises(DecodeError) as caught:
        decode_chunk(b"x" * 10_000)
    assert len(str(caught.value)) < 300


def test_a_completion_is_decoded_like_a_chunk():
    text = b'{"choices":[{"message":{"content":"Hi","extra":1},"finish_reason":"stop"}],"service_tier":"x"}'

    answer = decode_model(Completion, text)

    assert answer.choices[0].message.content == "Hi"
    assert answer.choices[0].message.extra == 1
    assert answer.service_tier == "x"
    assert answer.choices[0].index is None


plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5)
extra = st.dictionaries(
    st.sampled_from(["x", "y", "web_search"]), plain | st.lists(plain, max_size=2), max_size=2
)


def odd(**fields):
    """Draw objects with any of the fields, and unknown ones."""
    return st.tuples(st.fixed_dictionaries({}, optional=fields), extra).map(lambda both: both[0] | both[1])


function = odd(name=plain, arguments=plain)
tool_call = odd(id=plain, index=plain, type=plain, function=function)
delta = odd(role=plain, content=plain, reasoning_content=plain, tool_calls=st.lists(tool_call, max_size=2))
choice = odd(index=plain.filter(lambda index: index != "0"), finish_reason=plain, delta=delta, logprobs=plain)
usage = odd(prompt_tokens=plain, prompt_tokens_details=odd(cached_tokens=plain))
odd_chunk = odd(id=plain, created=plain, model=plain, choices=st.lists(choice, max_size=2), usage=usage)


def contains(dumped, original):
    """Return whether `dumped` equals `original` except for fields that are None in one and missing in the other."""
    if isinstance(original, dict):
        return all(contains(dumped.get(name), item) for name, item in original.items())
    if isinstance(original, list):
        return len(dumped) == len(original) and all(map(contains, dumped, original))
    return dumped == original


@given(odd_chunk)
def test_no_field_is_lost(value):
    chunk = decode_chunk(json.dumps(value).encode())

    assert contains(json.loads(chunk.model_dump_json()), value)
    Accumulator().add(chunk)


def test_strict_errors_lists_every_exception_of_strict_decoding():
    for data in (
        b"{}",
        b"",
        b'{"choices":[],"x":1}',
        b'{"choices":[],"id":"\xff"}',
        b"[" * 100_000,
        b'{"id":1}',
    ):
        with pytest.raises(STRICT_ERRORS):
            decode_strict_chunk(data)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_is_in_the_field_of_zai_under_either_name(field):
    chunk = decode_chunk(json.dumps({"choices": [{"index": 0, "delta": {field: "Hm"}}]}).encode())

    assert chunk.choices[0].delta.reasoning_content == "Hm"


def test_the_legacy_function_call_is_a_tool_call():
    delta = {"function_call": {"name": "f", "arguments": "{}"}}
    chunk = decode_chunk(json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode())

    assert [call.function.name for call in chunk.choices[0].delta.tool_calls] == ["f"]
    assert chunk.choices[0].delta.function_call == delta["function_call"]
