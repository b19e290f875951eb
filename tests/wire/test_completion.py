"""Folding the chunks of a stream into a completion."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.wire.chunk import Chunk, ChunkChoice, Delta, FunctionDelta, ToolCallDelta, Usage
from headrace.wire.completion import Accumulator, fold
from headrace.wire.decode import decode_chunk

USAGE = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)


def chunk(delta=None, *, reason=None, usage=None, **fields):
    choice = ChunkChoice(index=fields.pop("index", 0), delta=delta or Delta(), finish_reason=reason)
    return Chunk(**{"id": "turn", "created": 5, "model": "m", **fields}, choices=[choice], usage=usage)


def call(index, arguments="", *, name=None, id=None):
    function = FunctionDelta(name=name, arguments=arguments)
    return Delta(tool_calls=[ToolCallDelta(index=index, id=id, type="function", function=function)])


def calls_of(answer):
    return [
        (each.index, each.id, each.function.name, each.function.arguments)
        for each in answer.choices[0].message.tool_calls
    ]


def test_texts_are_joined_and_the_finish_reason_and_usage_kept():
    answer = fold(
        [
            chunk(Delta(reasoning_content="Let me ")),
            chunk(Delta(reasoning_content="see.")),
            chunk(Delta(content="Hel")),
            chunk(Delta(content="lo")),
            chunk(Delta(content=""), reason="stop", usage=USAGE),
        ]
    )

    message = answer.choices[0].message
    assert (message.role, message.reasoning_content, message.content) == ("assistant", "Let me see.", "Hello")
    assert (answer.choices[0].index, answer.choices[0].finish_reason) == (0, "stop")
    assert (answer.id, answer.created, answer.model, answer.object) == ("turn", 5, "m", "chat.completion")
    assert (answer.request_id, answer.usage) == ("turn", USAGE)


def test_a_request_id_that_was_given_is_kept():
    assert fold([chunk(Delta(content="a"))], request_id="mine").request_id == "mine"


def test_nothing_folds_to_an_empty_answer():
    answer = fold([])

    assert answer.choices[0].message.content == ""
    assert answer.choices[0].finish_reason is None
    assert answer.id is None
    assert not Accumulator().has_chunks


def test_calls_are_distinguished_by_index_and_numbered_from_zero():
    answer = fold(
        [
            chunk(call(3, '{"a"', name="add", id="call_a")),
            chunk(call(7, "", name="get", id="call_b")),
            chunk(call(3, ":1}")),
            chunk(call(7, "{}")),
        ]
    )

    assert calls_of(answer) == [(0, "call_a", "add", '{"a":1}'), (1, "call_b", "get", "{}")]


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_or_a_repeated_id_or_name_changes_nothing(empty):
    answer = fold(
        [
            chunk(call(0, "", name=empty, id=empty)),
            chunk(call(0, "{", name="add", id="call_a")),
            chunk(call(0, "}", name=empty, id="call_b")),
            chunk(call(0, "", name="add", id="call_a")),
        ]
    )

    assert calls_of(answer) == [(0, "call_a", "add", "{}")]


def test_calls_without_an_index_are_distinguished_by_id():
    whole = decode_chunk(
        b'{"choices":[{"index":0,"delta":{"tool_calls":['
        b'{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"g","arguments":"{}"}}]}}]}'
    )

    assert calls_of(fold([whole])) == [(0, "a", "f", "{}"), (1, "b", "g", "{}")]


@pytest.mark.parametrize("index", [b"null", b"[]", b"{}", b"1.5"])
def test_an_index_that_is_not_an_integer_counts_as_missing(index):
    odd = decode_chunk(
        b'{"choices":[{"index":0,"delta":{"tool_calls":[{"index":%b,"id":"a","function":{"name":"f"}}]}}]}'
        % index
    )

    assert calls_of(fold([odd])) == [(0, "a", "f", "")]


def test_arguments_that_are_an_object_become_its_text():
    odd = decode_chunk(
        b'{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":{"x":1}}}]}}]}'
    )

    assert calls_of(fold([odd])) == [(0, "a", "f", '{"x":1}')]


def test_a_delta_may_have_content_reasoning_and_calls():
    delta = call(0, "{}", name="f", id="a")
    delta.content, delta.reasoning_content = "text", "thought"

    answer = fold([chunk(delta, reason="tool_calls", usage=USAGE)])

    assert answer.choices[0].message.content == "text"
    assert answer.choices[0].message.reasoning_content == "thought"
    assert calls_of(answer) == [(0, "a", "f", "{}")]
    assert answer.choices[0].finish_reason == "tool_calls"


def test_a_chunk_without_choices_adds_its_usage():
    answer = fold([chunk(Delta(content="a"), reason="stop"), Chunk(id="turn", choices=[], usage=USAGE)])

    assert answer.usage == USAGE
    assert answer.choices[0].message.content == "a"


def test_each_choice_is_folded_by_itself_in_any_order():
    choices = [
        ChunkChoice(index=index, delta=Delta(content=text), finish_reason=reason)
        for index, text, reason in ((2, "c", None), (1, "b", "stop"), (0, "a", None), (2, "d", "length"))
    ]
    answer = fold([Chunk(choices=choices[:3]), Chunk(choices=choices[3:])])

    assert [(each.index, each.message.content, each.finish_reason) for each in answer.choices] == [
        (0, "a", None),
        (1, "b", "stop"),
        (2, "cd", "length"),
    ]


def test_the_id_may_come_after_a_first_chunk_without_one():
    answer = fold([chunk(Delta(content="a"), id=None), chunk(Delta(content="b"), id="late", created=9)])

    assert (answer.id, answer.created) == ("late", 9)


def test_a_chunk_that_is_changed_after_it_was_added_changes_nothing():
    accumulator = Accumulator()
    first = chunk(call(0, '{"a"', name="add", id="call_a"))
    accumulator.add(first)
    first.choices[0].delta.tool_calls[0].function.arguments += ":1}"
    accumulator.add(chunk(call(0, ":1}")))

    assert accumulator.message().tool_calls[0].function.arguments == '{"a":1}'


def test_a_message_shares_nothing_with_the_accumulator():
    accumulator = Accumulator()
    delta = call(0, "{}", name="f", id="a")
    delta.content, delta.reasoning_content = "text", "thought"
    accumulator.add(chunk(delta))
    earlier = accumulator.message()
    before = copy.deepcopy(earlier)
    accumulator.add(chunk(call(1, "{}", name="g", id="b")))
    later = accumulator.message()

    assert {name for name, value in before if value is None} == {
        "audio",
        "refusal",
    }  # every other field is covered
    assert earlier == before
    for _, value in (*earlier, *later):
        if isinstance(value, list):
            value.clear()
    assert [each.id for each in accumulator.message().tool_calls] == ["a", "b"]


@given(st.lists(st.text(max_size=4), max_size=12))
def test_the_message_is_what_was_received_so_far(texts):
    accumulator = Accumulator()
    for count, text in enumerate(texts, 1):
        accumulator.add(chunk(Delta(content=text)))
        assert accumulator.message().content == "".join(texts[:count])


def test_refusals_and_log_probabilities_are_joined():
    first, second = chunk(Delta(content="", refusal="I must ")), chunk(Delta(refusal="not."), reason="stop")
    first.choices[0].logprobs = {"content": [{"token": "a"}], "refusal": None}
    second.choices[0].logprobs = {"content": [{"token": "b"}]}
    choice = fold([first, second]).choices[0]

    assert choice.message.refusal == "I must not."
    assert choice.logprobs == {"content": [{"token": "a"}, {"token": "b"}]}


def test_the_log_probabilities_handed_out_are_not_the_accumulators_own():
    accumulator = Accumulator()
    for token in "ab":
        piece = chunk(Delta(content=token))
        piece.choices[0].logprobs = {"content": [{"token": token}]}
        accumulator.add(piece)
        handed_out = accumulator.completion().choices[0].logprobs["content"]
        assert [each["token"] for each in handed_out] == [*"ab"[: "ab".index(token) + 1]]
        handed_out.clear()
