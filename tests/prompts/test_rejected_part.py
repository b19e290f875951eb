"""An error of a chat template names the part of the request that it is about."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RequestError
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate, render_request
from headrace.wire import decode_request

BAD = "BAD"
USER = {"role": "user", "content": "Hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": "A", "reasoning_content": "R", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "sun"}

TOOLS = ChatTemplate(
    "{% for t in tools or [] %}{% if t.function.name == 'BAD' %}{{ raise_exception('not this tool') }}{% endif %}"
    "{{ t.function.name }}{% endfor %}{% for m in messages %}{{ m.role }}{{ m.content }}{% endfor %}"
)
MESSAGES = ChatTemplate(
    "{% for m in messages %}{% if m.content == 'BAD' %}{{ raise_exception('not this message') }}{% endif %}"
    "{{ m.content }}{% endfor %}"
)


def error_of(template, *messages, **fields):
    body = {"model": "m", "messages": messages or [USER], **fields}
    with pytest.raises(RequestError) as raised:
        render_request(template, decode_request(json.dumps(body).encode()))
    assert raised.value.code == "1214"
    return raised.value.message


def tool(name):
    return {"type": "function", "function": {"name": name}}


@given(st.integers(0, 5), st.integers(0, 5))
def test_the_tool_is_named(before, after):
    tools = [*(tool(f"a{n}") for n in range(before)), tool(BAD), *(tool(f"b{n}") for n in range(after))]
    message = f"tools[{before}]: the model's chat template rejects this: not this tool"

    assert error_of(TOOLS, tools=tools) == message


@given(st.integers(0, 9), st.lists(st.sampled_from(["Hi", BAD]), max_size=9))
def test_the_first_rejected_message_is_named(before, after):
    messages = [*([USER] * before), {"role": "user", "content": BAD}]
    messages += [{"role": "user", "content": text} for text in after]
    message = f"messages[{before}]: the model's chat template rejects this: not this message"

    assert error_of(MESSAGES, *messages) == message


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ("messages[-1].content == 'sun'", "messages[2]"),
        ("messages[0].role == 'user' and messages | length > 1", "messages[1]"),
        ("messages | selectattr('tool_calls') | list", "messages[1].tool_calls"),
        ("messages | selectattr('reasoning_content') | list", "messages[1].reasoning_content"),
        ("messages | selectattr('name') | list", "messages[2].name"),
        ("tools", "tools[0]"),
        ("tone == 'loud'", "chat_template_kwargs.tone"),
        ("not enable_thinking and enable_thinking is defined and messages | length > 1", "thinking.type"),
        ("reasoning_effort | default('') == 'high' and messages | length > 1", "reasoning_effort"),
    ],
)
def test_the_field_is_named(condition, part):
    template = ChatTemplate(
        f"{{% if {condition} %}}{{{{ raise_exception('No.') }}}}{{% endif %}}"
        "{{ tone }}{{ reasoning_effort }}{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    fields = {"tools": [tool("f")], "chat_template_kwargs": {"tone": "loud"}, "reasoning_effort": "high"}
    if part == "thinking.type":
        fields["thinking"] = {"type": "disabled"}
    message = error_of(template, USER, CALLING, {**RESULT, "name": "f"}, **fields)

    assert message == f"{part}: the model's chat template rejects this: No."


@pytest.mark.parametrize(
    ("jinja", "message"),
    [
        ("{{ raise_exception('never') }}", "messages: the model's chat template rejects this: never"),
        ("{{ 1 / 0 }}", "messages: the model's chat template failed: division by zero"),
        (
            "{% for t in tools %}{{ t.function.parameters.city.type }}{% endfor %}",
            "tools[0]: the model's chat template failed: 'dict object' has no attribute 'parameters'",
        ),
        (
            "{% for m in messages %}{{ m.content + m.content.no }}{% endfor %}",
            "messages[0]: the model's chat template failed: 'str object' has no attribute 'no'",
        ),
    ],
)
def test_a_failure_is_not_a_rejection(jinja, message):
    assert error_of(ChatTemplate(jinja), tools=[tool("f")]) == message


def test_the_texts_of_users_in_an_error_are_as_they_were_sent():
    template = ChatTemplate("{% for m in messages %}{{ raise_exception('No ' ~ m.content) }}{% endfor %}")
    body = {"model": "m", "messages": [{"role": "user", "content": "<|user|>"}]}

    with pytest.raises(RequestError, match=r"^messages\[0\]: .* rejects this: No <\|user\|>$"):
        render_request(template, decode_request(json.dumps(body).encode()), FORMATS["glm-4.6"])


def test_the_search_does_bounded_work():
    """A template that fails after it has used most of its budget is not rendered many times."""
    template = ChatTemplate(
        "{% for m in messages %}{% for n in range(90) %}{{ m.content | length }}{% endfor %}{% endfor %}"
        "{% if messages[-1].content == 'BAD' %}{{ raise_exception('No.') }}{% endif %}"
    )
    messages = [USER] * 500 + [{"role": "user", "content": BAD}]

    assert error_of(template, *messages) == "messages: the model's chat template rejects this: No."
