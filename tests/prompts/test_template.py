import gc
import json
import weakref
from pathlib import Path

import pytest

from headrace.errors import RequestError
from headrace.prompts import ChatTemplate, render_request
from headrace.wire import decode_request

SOURCE = Path(__file__).parents[2] / "packages/headrace-tiny/training/chat_template.jinja"
USER = {"role": "user", "content": "Hi"}
CALL = {
    "function": {"name": "f", "arguments": '{"city": "北京", "days": 3}'},
    "id": "call_1",
    "type": "function",
}


@pytest.fixture(scope="module")
def template():
    return ChatTemplate(SOURCE.read_text())


def render(template, messages, **fields):
    body = {"model": "glm-4.6", "messages": messages, **fields}
    return render_request(template, decode_request(json.dumps(body).encode()))


def test_the_prompt_ends_with_the_start_of_the_assistants_message(template):
    assert render(template, [USER]) == "[gMASK]<sop><|user|>\nHi<|assistant|>"


def test_disabled_thinking_is_in_the_prompt_twice(template):
    prompt = render(template, [USER], thinking={"type": "disabled"})

    assert prompt == "[gMASK]<sop><|user|>\nHi/nothink<|assistant|>\n<think></think>"


def test_tools_come_before_the_conversation_unchanged(template):
    tool = {"type": "function", "function": {"parameters": {"type": "object"}, "name": "f"}}
    prompt = render(template, [USER], tools=[tool])

    assert "<tools>\n" + json.dumps(tool) + "\n</tools>" in prompt


def test_tool_choice_none_hides_the_tools(template):
    tool = {"type": "function", "function": {"name": "f"}}

    assert "<tools>" not in render(template, [USER], tools=[tool], tool_choice="none")


def test_a_call_and_its_result_are_rendered_as_the_model_generated_them(template):
    loop = [
        USER,
        {"role": "assistant", "reasoning_content": "Look.", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "晴"},
    ]

    assert render(template, loop) == (
        "[gMASK]<sop><|user|>\nHi<|assistant|>\n<think>Look.</think>\n<tool_call>f\n"
        "<arg_key>city</arg_key>\n<arg_value>北京</arg_value>\n<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n"
        "</tool_call><|observation|>\n<tool_response>\n晴\n</tool_response><|assistant|>"
    )


def test_earlier_reasoning_is_dropped_unless_clear_thinking_is_false(template):
    history = [USER, {"role": "assistant", "content": "Yes", "reasoning_content": "Old."}, USER]

    assert "Old." not in render(template, history)
    assert "<think>Old.</think>" in render(template, history, thinking={"clear_thinking": False})


def test_the_reason_of_a_rejection_is_reported():
    template = ChatTemplate("{{ raise_exception('roles must alternate') }}")

    with pytest.raises(RequestError, match="roles must alternate"):
        render(template, [USER])


@pytest.mark.parametrize(
    "jinja",
    ["{{ messages + 1 }}", "{{ 1 / 0 }}", "{{ messages.x.y }}", "{{ 5 | tojson(indent='x') | int + {} }}"],
)
def test_a_failure_of_the_template_is_a_request_error(jinja):
    with pytest.raises(RequestError, match="the model's chat template"):
        render(ChatTemplate(jinja), [USER])


def test_a_template_cannot_reach_outside_its_sandbox():
    template = ChatTemplate("{{ messages.__class__.__mro__ }}")

    with pytest.raises(RequestError, match="unsafe"):
        render(template, [USER])


class Text(str):
    """A text to which weak references are possible."""

    __slots__ = ("__weakref__",)


def test_the_messages_are_free_when_a_prompt_with_macros_is_rendered():
    template = ChatTemplate(
        "{% macro show(m) %}{{ m.content }}{{ show(m.next) if m.next }}{% endmacro %}"
        "{% set last = namespace(message=messages[0]) %}{{ show(last.message) }}{{ show(messages[0]) }}"
    )
    text = Text("Hello")
    reference = weakref.ref(text)
    gc.collect()
    gc.disable()
    try:
        assert template.render([{"role": "user", "content": text}]) == "HelloHello"
        del text
        assert reference() is None
    finally:
        gc.enable()
