"""Every member of `Event` has its decisions: encoded, merged, stored, counted."""

import typing

import msgspec
import pytest

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
from headrace.turns.store import decode_events

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


def test_an_unknown_event_is_not_counted_silently():
    with pytest.raises(AssertionError):
        token_count(object())
