"""The grammar of a Messages stream finds every fault that is planted into a correct one."""

import copy
import json

import pytest

from headrace.events import Content, Finish, Reasoning, ToolCallArguments, ToolCallEnd, ToolCallStart
from headrace.message_events import MessageEncoder
from message_grammar import violations

CALLS = [
    event
    for index in range(2)
    for event in (ToolCallStart(index, "f"), ToolCallArguments(index, "{}"), ToolCallEnd(index))
]
ANSWER = [Reasoning("a"), Content("b"), *CALLS, Finish("tool_calls")]
STREAM = [one for encoder in [MessageEncoder("t", "m")] for event in ANSWER for one in encoder.encode(event)]
STARTS = [at for at, one in enumerate(STREAM) if one["type"] == "content_block_start"]


def changed(at, change):
    stream = copy.deepcopy(STREAM)
    change(stream[at])
    return stream


def test_the_stream_itself_is_correct():
    assert violations(STREAM) == []
    assert len(STARTS) == 4


@pytest.mark.parametrize("at", range(len(STREAM)))
def test_an_event_that_is_missing_or_comes_twice_is_found(at):
    is_text = STREAM[at]["type"] == "content_block_delta" and "signature" not in STREAM[at]["delta"]
    without, twice = [*STREAM[:at], *STREAM[at + 1 :]], [*STREAM[: at + 1], *STREAM[at:]]

    assert bool(violations(without)) is not is_text
    assert bool(violations(twice)) is not is_text


@pytest.mark.parametrize("at", range(len(STREAM) - 1))
def test_an_event_in_the_place_of_the_next_one_is_found(at):
    swapped = [*STREAM[:at], STREAM[at + 1], STREAM[at], *STREAM[at + 2 :]]
    assert violations(swapped)


@pytest.mark.parametrize("at", [at for at, one in enumerate(STREAM) if "index" in one])
def test_another_index_is_found(at):
    assert violations(changed(at, lambda one: one.update(index=one["index"] + 1)))


@pytest.mark.parametrize("at", STARTS)
def test_a_block_that_does_not_begin_empty_is_found(at):
    block = STREAM[at]["content_block"]
    name = {"tool_use": "input"}.get(block["type"], block["type"])
    for value in (None, "x"):
        assert violations(changed(at, lambda one, value=value: one["content_block"].update({name: value})))


@pytest.mark.parametrize(("at", "path"), [(0, ["message", "usage"]), (-2, ["usage"])])
def test_usage_without_a_field_is_found(at, path):
    def remove(one):
        for key in path:
            one = one[key]
        del one["output_tokens"]
        one["further"] = 1

    assert violations(changed(at, remove))


def test_an_id_of_another_call_is_found():
    first, second = STARTS[-2:]
    id = STREAM[first]["content_block"]["id"]
    assert violations(changed(second, lambda one: one["content_block"].update(id=id)))
    assert json.dumps(STREAM).count(id) == 1
