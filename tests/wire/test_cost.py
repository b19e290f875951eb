"""The cost of a request grows in proportion to its size: counted in bytecodes, not in time."""

import json
import sys

import pytest

from headrace.wire.messages import decode_message_request
from headrace.wire.responses import decode_response_request

SMALL, LARGE = 50, 400


def calls(count):
    uses = [{"type": "tool_use", "id": f"t{at}", "name": "f", "input": {}} for at in range(count)]
    results = [{"type": "tool_result", "tool_use_id": f"t{at}", "content": "a"} for at in range(count)]
    messages = [
        {"role": "assistant", "content": uses},
        *({"role": "user", "content": [one]} for one in results),
    ]
    return {"model": "m", "max_tokens": 9, "messages": messages}


def chosen(count):
    tools = [{"type": "function", "name": f"f{at}"} for at in range(count)]
    return {
        "model": "m",
        "input": "Hi",
        "tools": tools,
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": tools},
    }


def bytecodes(decode, body):
    """Count what a call executes."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        decode(json.dumps(body).encode())
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    ("decode", "body"), [(decode_message_request, calls), (decode_response_request, chosen)]
)
def test_a_request_takes_linear_time(decode, body):
    small, large = (bytecodes(decode, body(count)) for count in (SMALL, LARGE))

    assert large / small < 1.2 * LARGE / SMALL
