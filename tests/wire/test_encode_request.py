import json

import msgspec
import pytest

from headrace.wire import decode_request, decode_stored_request, encode_request

HELLO = {"role": "user", "content": "Hello"}
TOOL = {"x-note": None, "type": "function", "function": {"parameters": {"default": None}, "name": "f"}}
CALL = {"id": "c", "function": {"name": "f", "arguments": '{"a": null}'}}
REQUESTS = [
    {},
    {"stream": True, "temperature": 0, "stop": ["a"], "seed": 2**63 - 1, "request_id": 1234567.5},
    {"thinking": {"type": "disabled"}, "reasoning_effort": "low", "do_sample": False, "user_id": "abcdef"},
    {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
    {"tools": [TOOL], "tool_choice": "none"},
    {"response_format": {"type": "json_schema", "json_schema": {"schema": {"const": None}}}},
    {"chat_template_kwargs": {"enable_thinking": False, "builtin_tools": ["a"]}},
    {"logit_bias": [[7, -1]], "top_k": 3, "ignore_eos": True},
    {"messages": [HELLO, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "content": []}]},
]


@pytest.mark.parametrize("fields", REQUESTS)
def test_a_request_is_decoded_again_as_it_was(fields):
    request = decode_request(json.dumps({"model": "m", "messages": [HELLO], **fields}).encode())

    assert decode_stored_request(encode_request(request)) == request


def test_only_a_stored_request_has_options_of_another_api():
    fields = {"model": "m", "messages": [HELLO], "answer_options": {"a": [1]}}
    request = decode_request(json.dumps(fields).encode())
    assert request.answer_options == {}

    request = msgspec.structs.replace(request, answer_options={"a": [1]})
    assert decode_stored_request(encode_request(request)) == request


def test_unknown_fields_are_left_out():
    body = json.dumps({"model": "m", "messages": [HELLO], "unknown": "x" * 100_000}).encode()

    assert len(encode_request(decode_request(body))) < 1000
