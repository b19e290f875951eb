"""The switches of thinking reach the template, and earlier reasoning with its message."""

import msgspec
import pytest

from headrace.formats import FORMATS
from headrace.models.registry import Model
from headrace.models.templates import find_template
from headrace.wire import decode_request
from headrace_tiny import model_path

SWITCHES = "{{ enable_thinking }} {{ clear_thinking }} {{ reasoning_effort | default('-') }}"
REASONED = "{% for m in messages %}[{{ m.reasoning_content | default('') }}]{% endfor %}"
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def prompt(template, messages=(), **fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}, *messages], **fields}
    compiled = find_template(template).compile(writes_bos=False)
    model = Model(("m",), None, FORMATS["glm-4.6"], compiled)
    return model.generation(decode_request(msgspec.json.encode(body))).prompt


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "True True -"),
        ({"thinking": {"type": "disabled"}}, "False True -"),
        ({"thinking": {"clear_thinking": False}}, "True False -"),
        ({"reasoning_effort": "high"}, "True True high"),
        ({"reasoning_effort": "none"}, "False True none"),
        ({"reasoning_effort": "minimal"}, "False True minimal"),
    ],
)
def test_each_switch_is_a_variable(fields, expected):
    assert prompt(SWITCHES, **fields) == expected


def test_glm_4_6_is_told_in_its_own_way():
    assert prompt(str(model_path())).endswith("<|assistant|>")
    assert prompt(str(model_path()), thinking={"type": "disabled"}).endswith(
        "/nothink<|assistant|>\n<think></think>"
    )


def test_earlier_reasoning_goes_along_with_its_message():
    earlier = {"role": "assistant", "content": "A", "reasoning_content": "I thought."}

    assert prompt(REASONED, [earlier, {"role": "user", "content": "B"}]) == "[][I thought.][]"


def test_glm_4_6_keeps_the_reasoning_of_the_running_tool_loop_and_drops_that_of_earlier_turns():
    earlier = {"role": "assistant", "content": "A", "reasoning_content": "Long ago."}
    running = {"role": "assistant", "content": "", "reasoning_content": "I look.", "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "noon"}
    text = prompt(str(model_path()), [earlier, {"role": "user", "content": "B"}, running, result])

    assert "I look." in text
    assert "Long ago." not in text
