"""Chat completions, Messages and Responses: requests, and what is measured of their streams."""

import json

import pytest

from headrace.benchmarking.apis import APIS
from headrace.benchmarking.prompts import BUILT_IN, make_prompt, make_request
from headrace.checking import Response
from timed_endpoint import DONE, chunk, frame, measure, usage

OUTPUTS = {
    "chat": {
        "thinking": chunk({"reasoning_content": "x"}),
        "answer": chunk({"content": "x"}),
        "call": chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]}),
        "argument": chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}),
    },
    "messages": {
        "thinking": frame({"type": "content_block_delta", "delta": {"thinking": "x"}}),
        "answer": frame({"type": "content_block_delta", "delta": {"text": "x"}}),
        "call": frame({"type": "content_block_start", "content_block": {"type": "tool_use"}}),
        "argument": frame({"type": "content_block_delta", "delta": {"partial_json": "{"}}),
    },
    "responses": {
        "thinking": frame({"type": "response.reasoning_text.delta", "delta": "x"}),
        "answer": frame({"type": "response.output_text.delta", "delta": "x"}),
        "call": frame({"type": "response.output_item.added", "item": {"type": "function_call"}}),
        "argument": frame({"type": "response.function_call_arguments.delta", "delta": "{"}),
    },
}
NO_OUTPUT = {
    "chat": [chunk({"role": "assistant"}), chunk({"content": ""}), usage()],
    "messages": [
        frame({"type": "ping"}),
        frame({"type": "message_start", "message": {"content": []}}),
        frame({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}),
        frame({"type": "content_block_delta", "delta": {"type": "text_delta", "text": ""}}),
    ],
    "responses": [
        frame({"type": "response.created", "response": {"error": None}}),
        frame({"type": "response.output_item.added", "item": {"type": "message"}}),
        frame({"type": "response.output_text.delta", "delta": ""}),
    ],
}
COUNTS = {"prompt_tokens": 10, "output_tokens": 3, "cached_tokens": 4, "reasoning_tokens": 2}
MESSAGES_USAGE = {"input_tokens": 5, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 1}
RESPONSES_USAGE = {
    "input_tokens": 10,
    "output_tokens": 3,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens_details": {"reasoning_tokens": 2},
}
FINISH = {
    "chat": [chunk(reason="stop"), usage(cached=4, reasoning=2), DONE],
    "messages": [
        frame({"type": "message_start", "message": {"usage": MESSAGES_USAGE}}),
        frame({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
        frame({"type": "message_stop"}),
    ],
    "responses": [frame({"type": "response.completed", "response": {"usage": RESPONSES_USAGE}})],
}
ERRORS = {
    "chat": [frame({"error": {"code": "1234"}})],
    "messages": [frame({"type": "error", "error": {"type": "overloaded_error"}})],
    "responses": [
        frame({"type": "error", "code": "server_error"}),
        frame({"type": "response.failed", "response": {"error": {"code": "server_error"}}}),
    ],
}

every_api = pytest.mark.parametrize("api", APIS)


def sample_of(api, *parts):
    """Measure a stream whose parts arrive a second apart."""
    pieces = [(1.0 + second, part) for second, part in enumerate(parts)]
    return measure(Response(status=200, pieces=pieces), api=api)


@every_api
def test_each_kind_of_output_has_its_first(api):
    empty, outputs = NO_OUTPUT[api], OUTPUTS[api]
    sample = sample_of(api, *empty, *outputs.values(), *FINISH[api])
    first = 1.0 + len(empty)

    assert sample.outcome == "success"
    assert sample.firsts == {
        "byte": 1.0,
        "delta": first,
        "thinking": first,
        "answer": first + 1,
        "argument": first + 3,
    }
    assert sample.deliveries == (first, first + 1, first + 2, first + 3)
    assert sample.mean_text == first + (0 + 1 + 3) / 3


@every_api
def test_the_usage_has_the_same_names(api):
    sample = sample_of(api, OUTPUTS[api]["answer"], *FINISH[api])
    expected = COUNTS | ({"reasoning_tokens": None} if api == "messages" else {})

    assert {name: getattr(sample, name) for name in COUNTS} == expected


@every_api
def test_an_error_before_and_after_the_first_delta(api):
    for error in ERRORS[api]:
        for before in ([], [OUTPUTS[api]["answer"]]):
            sample = sample_of(api, *before, error, *FINISH[api][-1:])
            assert sample.outcome == "error"
            assert "code" in sample.detail


@every_api
def test_a_stream_without_its_end_is_truncated_and_one_without_output_is_empty(api):
    answer, finish = OUTPUTS[api]["answer"], FINISH[api]

    assert sample_of(api, answer, *finish[:-1]).outcome == "truncated"
    assert sample_of(api, *NO_OUTPUT[api], *finish).outcome == "empty"
    assert sample_of(api).outcome == "empty"


@every_api
def test_values_of_wrong_types_are_no_output(api):
    for value in ([], {"type": []}, {"choices": 1, "usage": 2}, {"type": "content_block_delta", "delta": 3}):
        assert "delta" not in sample_of(api, frame(value)).firsts


@every_api
@pytest.mark.parametrize("value", ["5", 5.5, -1, True, 10**400, [], {}, None])
def test_a_usage_whose_values_are_no_counts_has_no_tokens(api, value):
    usage = {
        "prompt_tokens": value,
        "completion_tokens": value,
        "input_tokens": value,
        "output_tokens": value,
    }
    event = {"usage": usage, "message": {"usage": usage}, "response": {"usage": usage}}
    for kind in ("message_start", "message_delta", "response.completed"):
        sample = sample_of(api, frame({"type": kind} | event))

        assert (sample.prompt_tokens or 0, sample.output_tokens) == (0, None)


@every_api
def test_a_request_is_streamed_and_begins_with_its_nonce(api):
    prompt = make_prompt(BUILT_IN, "nonce", 0)
    body = json.loads(make_request(api, "m", prompt, 64).body)
    limit = "max_output_tokens" if api == "responses" else "max_tokens"

    assert (body["model"], body["stream"], body[limit]) == ("m", True, 64)
    assert body["input" if api == "responses" else "messages"] == prompt


def test_messages_has_the_system_text_in_a_field_of_its_own():
    messages = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
    request = make_request("messages", "m", messages, 64)

    assert json.loads(request.body)["system"] == "a"
    assert json.loads(request.body)["messages"] == messages[1:]
    assert request.headers["anthropic-version"]
