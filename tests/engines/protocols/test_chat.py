"""Relatives of the recorded variants in tests/traces/wire: what few servers send, one chunk each."""

import json

import pytest

from dialects import ask, protocol
from headrace.errors import EngineError, LimitError, RequestError
from headrace.events import Content, Finish, Reasoning
from headrace.sse import DONE


def chunk(finish_reason=None, **delta):
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}).encode()


def events_of(*chunks):
    reader = protocol("chat").reader(ask())
    events = [event for data in chunks for event in reader.feed(data)]
    return [event for event in events + reader.finish() if not isinstance(event, Finish)], reader


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"content": [{"type": "refusal", "refusal": "No"}]}, [Content("No")]),
        ({"content": [{"type": "output_text", "text": "Hi"}]}, [Content("Hi")]),
        ({"content": ["Hi", " you"]}, [Content("Hi you")]),
        ({"content": [{"type": "thinking", "thinking": "Hm"}]}, [Reasoning("Hm")]),
        ({"reasoning_content": ["H", "m"]}, [Reasoning("Hm")]),
        (
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}], "content": "Hi"},
            [Content("Hi")],
        ),
        ({"content": "Hi", "tool_calls": [{}]}, [Content("Hi")]),
        ({"content": "Hi", "tool_calls": [None]}, [Content("Hi")]),
        (
            {"content": "Hi", "tool_calls": [{"index": 0, "id": "", "function": {"name": ""}}]},
            [Content("Hi")],
        ),
        ({"content": "Hi", "function_call": {}}, [Content("Hi")]),
    ],
)
def test_a_variant_of_a_delta_is_read(delta, expected):
    events, reader = events_of(chunk(**delta), chunk("stop"), DONE)

    assert events == expected
    assert reader.is_finished


@pytest.mark.parametrize("reason", ["null", "None", ""])
def test_a_reason_that_is_null_as_text_is_none(reason):
    reader = protocol("chat").reader(ask())
    reader.feed(chunk(reason, content="Hi"))

    assert not reader.ending.is_last
    assert reader.feed(DONE)[-1].reason == "stop"


def test_done_may_have_blanks_around_it():
    events, reader = events_of(chunk(content="Hi"), b" [DONE] ")

    assert (events, reader.is_finished) == ([Content("Hi")], True)


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ({"detail": "bad"}, EngineError, "bad"),
        ({"code": 500, "msg": "404 NOT_FOUND", "success": False}, EngineError, "404 NOT_FOUND"),
        ({"object": "error", "message": "no such field", "code": 400}, RequestError, "no such field"),
        ({"message": "slow down", "code": "429"}, LimitError, "slow down"),
        ({"choices": [{"delta": {}}], "x_groq": {"error": "over capacity"}}, EngineError, "over capacity"),
        (
            {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "no money"}},
            EngineError,
            "no money",
        ),
    ],
)
def test_an_error_is_one_in_any_form(body, error, message):
    with pytest.raises(error, match=message):
        protocol("chat").reader(ask()).feed(json.dumps(body).encode())


@pytest.mark.parametrize("body", [{"type": "ping"}, {"choices": None, "prompt_filter_results": []}, {}])
def test_a_chunk_without_choices_may_mean_nothing(body):
    assert protocol("chat").reader(ask()).feed(json.dumps(body).encode()) == []


@pytest.mark.parametrize("name", ["stop_reason", "matched_stop"])
@pytest.mark.parametrize(
    "rest",
    [{"delta": {}}, {"delta": {}, "index": "0"}, {"message": {"content": "Hi"}}],
    ids=["usual chunk", "variant", "complete answer"],
)
@pytest.mark.parametrize(("sent", "stop"), [("END", "END"), (151336, ""), (None, "")])
def test_the_stop_string_is_known_whatever_form_a_chunk_has(name, rest, sent, stop):
    choice = {"index": 0, "finish_reason": "stop", name: sent, **rest}
    reader = protocol("chat").reader(ask())
    reader.feed(chunk(content="Hi"))
    reader.feed(json.dumps({"choices": [choice]}).encode())

    assert reader.feed(DONE)[-1].stop == stop
