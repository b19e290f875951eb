"""Every member of `Event` has its decisions: counted, encoded, merged, stored, typed in the SDK."""

import typing

import msgspec
import pytest

from contract import Contract
from headrace.chunks import ChunkEncoder, merge
from headrace.events import (
    Content,
    Event,
    Finish,
    Progress,
    Reasoning,
    Text,
    TokenUsage,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
    token_count,
)
from headrace.turns.entries import decode_events
from zai.streaming.events import EventReader

# An example of each member, its tokens, the fields of its delta, and whether two of them merge.
EXAMPLES = [
    (Text("a", 3, (1, 2, 3)), 3, None, False),
    (Progress(1, 2), 0, None, False),
    (Reasoning("a"), 1, {"role", "reasoning_content"}, True),
    (Content("a"), 1, {"role", "content"}, True),
    (ToolCallStart(0, "f", "call_1", "{}"), 1, {"tool_calls"}, False),
    (ToolCallArguments(0, "{"), 1, {"tool_calls"}, True),
    (ToolCallEnd(0), 0, None, False),
    (Finish("stop", TokenUsage(1, 2, 3, 4), "no"), 0, {"role", "content"}, False),
]
every_event = pytest.mark.parametrize(
    ("event", "tokens", "fields", "merges"), EXAMPLES, ids=[type(example[0]).__name__ for example in EXAMPLES]
)


def test_every_member_of_event_has_an_example():
    assert {type(example[0]) for example in EXAMPLES} == set(typing.get_args(Event))


@every_event
def test_tokens_are_counted(event, tokens, fields, merges):
    assert token_count(event) == tokens


@every_event
def test_an_event_becomes_one_delta_or_none(event, tokens, fields, merges):
    chunk = ChunkEncoder("turn", 1, "m").encode(event)

    assert (chunk and set(chunk.choices[0].delta.to_dict())) == fields


@every_event
def test_only_neighbouring_text_of_one_kind_merges(event, tokens, fields, merges):
    assert len(merge([event, event])) == (1 if merges else 2)


@every_event
def test_a_stored_event_is_decoded_as_it_was(event, tokens, fields, merges):
    assert decode_events(msgspec.json.encode([event])) == [event]


TYPED = {
    Reasoning: "reasoning.delta",
    Content: "content.delta",
    ToolCallStart: "tool_call.start",
    ToolCallArguments: "tool_call.arguments.delta",
    Finish: "finish",
}


@every_event
def test_the_chunk_of_an_event_is_a_typed_event_of_the_sdk(event, tokens, fields, merges):
    encoder, reader = ChunkEncoder("turn", 1, "m"), EventReader()
    before = [ToolCallStart(0, "f")] if isinstance(event, ToolCallArguments) else []
    chunks = [chunk for each in (*before, event) if (chunk := encoder.encode(each))]
    types = [typed.type for chunk in chunks for typed in reader.feed(chunk)]
    types += [typed.type for typed in reader.finish()]

    assert (fields is not None) == (type(event) in TYPED)
    assert TYPED.get(type(event), "finish") in types


@every_event
def test_the_contract_knows_the_event(event, tokens, fields, merges):
    assert isinstance(Contract().feed(event), list)


@pytest.mark.parametrize("use", [token_count, ChunkEncoder("turn", 1, "m").encode, Contract().feed])
def test_an_unknown_event_is_an_error(use):
    with pytest.raises(AssertionError):
        use(object())
