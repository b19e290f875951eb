import json

import pytest

from headrace.chunks import ChunkEncoder, encode_chunk, merge
from headrace.events import (
    Content,
    Finish,
    Progress,
    Reasoning,
    TokenUsage,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
)


@pytest.fixture
def encoder():
    return ChunkEncoder("20260313050448e162ecc8207a4c47", 1773349488, "glm-4.6")


def wire(encoder, event):
    return encode_chunk(encoder.encode(event)).decode()


def test_a_text_chunk_is_byte_for_byte_that_of_zai(encoder):
    assert wire(encoder, Reasoning("The")) == (
        '{"id":"20260313050448e162ecc8207a4c47","created":1773349488,"object":"chat.completion.chunk",'
        '"model":"glm-4.6","choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":"The"}}]}'
    )


def test_the_finish_chunk_has_the_usage_with_every_field(encoder):
    text = wire(
        encoder, Finish("tool_calls", TokenUsage(prompt=275, completion=112, cached=43, reasoning=64))
    )

    assert text.partition('"choices":')[2] == (
        '[{"index":0,"finish_reason":"tool_calls","delta":{"role":"assistant","content":""}}],"usage":'
        '{"prompt_tokens":275,"completion_tokens":112,"total_tokens":387,'
        '"prompt_tokens_details":{"cached_tokens":43},"completion_tokens_details":{"reasoning_tokens":64}}}'
    )


def test_no_usage_is_zero_not_absent(encoder):
    usage = json.loads(wire(encoder, Finish("stop")))["usage"]

    assert usage["prompt_tokens_details"] == {"cached_tokens": 0}
    assert usage["total_tokens"] == 0


def test_id_and_name_are_sent_once_and_tool_deltas_have_no_role(encoder):
    start = json.loads(wire(encoder, ToolCallStart(0, "add")))["choices"][0]["delta"]
    more = json.loads(wire(encoder, ToolCallArguments(0, '{"a"')))["choices"][0]["delta"]

    assert start.keys() == more.keys() == {"tool_calls"}
    assert start["tool_calls"][0]["function"] == {"name": "add", "arguments": ""}
    assert more["tool_calls"] == [{"index": 0, "type": "function", "function": {"arguments": '{"a"'}}]


@pytest.mark.parametrize("event", [Reasoning("a"), Content("a"), ToolCallStart(0, "add"), Finish("stop")])
def test_where_the_role_is_not_repeated_only_the_first_delta_has_it(event):
    encoder = ChunkEncoder("1", 1, "glm-4.6", repeats_role=False)

    assert encoder.encode(event, is_first=True).choices[0].delta.role == "assistant"
    assert encoder.encode(event).choices[0].delta.role is None


def test_a_complete_call_is_one_chunk(encoder):
    start = ToolCallStart(0, "add", "call_1", '{"a":1}')

    assert json.loads(wire(encoder, start))["choices"][0]["delta"]["tool_calls"] == [
        {"id": "call_1", "index": 0, "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    ]


def test_a_calls_id_is_24_hex_digits_and_the_same_in_a_replay(encoder):
    first = encoder.encode(ToolCallStart(1, "add")).choices[0].delta.tool_calls[0].id
    again = encoder.encode(ToolCallStart(1, "add")).choices[0].delta.tool_calls[0].id

    assert first == again
    assert first.startswith("call_")
    assert len(bytes.fromhex(first[5:])) == 12


def test_an_id_that_the_model_generated_is_kept(encoder):
    assert encoder.encode(ToolCallStart(0, "add", "functions.add:0")).choices[0].delta.tool_calls[0].id == (
        "functions.add:0"
    )


@pytest.mark.parametrize("char", ["\u0085", "\u2028", "\u2029", *map(chr, range(0x20))])
def test_every_kind_of_line_end_is_escaped(encoder, char):
    text = wire(encoder, Content(f"a{char}b"))

    assert len(text.splitlines()) == 1
    assert json.loads(text)["choices"][0]["delta"]["content"] == f"a{char}b"


@pytest.mark.parametrize("event", [ToolCallEnd(0), Progress(1, 2)])
def test_events_that_clients_do_not_receive_have_no_chunk(encoder, event):
    assert encoder.encode(event) is None


def test_merge_joins_adjacent_events_of_one_kind_and_one_call_only():
    events = [
        Reasoning("a"),
        Reasoning("b"),
        Content("c"),
        Content("d"),
        ToolCallStart(0, "f"),
        ToolCallArguments(0, "{"),
        ToolCallArguments(0, "}"),
        ToolCallArguments(1, "{}"),
        Finish("stop"),
    ]

    assert merge(events) == [
        Reasoning("ab"),
        Content("cd"),
        ToolCallStart(0, "f"),
        ToolCallArguments(0, "{}"),
        ToolCallArguments(1, "{}"),
        Finish("stop"),
    ]
