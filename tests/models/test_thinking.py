"""The thinking options reach the template, and so does the reasoning of earlier messages."""

import msgspec
import pytest

from headrace.formats import FORMATS
from headrace.models.registry import Model
from headrace.models.templates import find_template
from headrace.wire import decode_request
from headrace_tiny import model_path

OPTIONS = "{{ enable_thinking }} {{ clear_thinking }} {{ reasoning_effort | default('-') }}"
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
def test_each_option_is_a_variable(fields, expected):
    assert prompt(OPTIONS, **fields) == expected


def test_glm_4_6_disables_thinking_in_its_own_way():
    assert prompt(str(model_path())).endswith("<|assistant|>")
    assert prompt(str(model_path()), thinking={"type": "disabled"}).endswith(
        "/nothink<|assistant|>\n<think></think>"
    )


def test_a_message_keeps_its_reasoning():
    earlier = {"role": "assistant", "content": "A", "reasoning_content": "I thought."}

    assert prompt(REASONED, [earlier, {"role": "user", "content": "B"}]) == "[][I thought.][]"


def test_glm_4_6_keeps_the_reasoning_of_the_current_tool_loop_only():
    earlier = {"role": "assistant", "content": "A", "reasoning_content": "Long ago."}
    running = {"role": "assistant", "content": "", "reasoning_content": "I look.", "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "noon"}
    text = prompt(str(model_path()), [earlier, {"role": "user", "content": "B"}, running, result])

    assert "I look." in text
    assert "Long ago." not in text
