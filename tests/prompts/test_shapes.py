"""A chat template gets messages in the form in which it shows them, whatever form that is."""

import json
from itertools import product

import pytest

from headrace.errors import RequestError
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate, render_request
from headrace.wire import decode_request

ASK = {"role": "user", "content": "Rome?", "name": "Eva"}
ARGUMENTS = '{"city": "Köln", "days": 2}'
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": ARGUMENTS}}
CALLING = {"role": "assistant", "content": None, "reasoning_content": "Look.", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "sun"}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}

CONTENTS = {
    "text": "{{ 1 if m.content is string else m.nothing.here }}{{ m.content }}",
    "parts": "{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}",
}
ARGUMENT_FORMS = {
    "text": "{{ '' + c.function.arguments }}",
    "printed": "{{ c.function.arguments }}",
    "object": "{{ c.function.arguments | tojson }}",
    "items": "{% for k, v in c.function.arguments.items() %}{{ k }}={{ v }} {% endfor %}",
}
CONDITIONS = {"always": "", "if none": " and m.content is none"}
REASONING = ("reasoning_content", "thinking", "reasoning")
RESULTS = ("tool", "observation")


def template_of(content, arguments, condition, reasoning, result):
    return ChatTemplate(
        "{% for t in tools or [] %}<{{ t.function.name }}>{% endfor %}"
        "{% for m in messages %}"
        "{% if m.tool_calls" + CONDITIONS[condition] + " %}"
        "[{{ m." + reasoning + " }}|{% for c in m.tool_calls %}{{ c.function.name }} "
        + ARGUMENT_FORMS[arguments] + "{% endfor %}]"
        "{% elif m.role in ['user', 'assistant', '" + result + "'] and m.content %}(" + CONTENTS[content] + ")"
        "{% endif %}{% endfor %}"
    )  # fmt: skip


def render(template, *messages, **fields):
    body = {"model": "m", "messages": messages, **fields}
    return render_request(template, decode_request(json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("content", "arguments", "condition", "reasoning", "result"),
    [*product(CONTENTS, ARGUMENT_FORMS, CONDITIONS, REASONING, RESULTS)],
)
def test_everything_arrives_in_every_form(content, arguments, condition, reasoning, result):
    template = template_of(content, arguments, condition, reasoning, result)
    prompt = render(template, ASK, CALLING, RESULT, tools=[TOOL])

    if content == "text":
        prompt = prompt.replace("(1", "(")
    written = "city=Köln days=2 " if arguments == "items" else ARGUMENTS
    assert template.findings.left_out == ()
    assert prompt == f"<f>(Rome?)[Look.|f {written}](sun)"


@pytest.mark.parametrize(
    ("jinja", "left_out"),
    [
        ("{{ messages[-1].content }}", "earlier messages, tools, tool calls, arguments of tool calls, reasoning"),
        ("{{ raise_exception('no') }}", "the user's message, earlier messages, tools, tool calls, arguments"),
        ("{{ messages | tojson }}{{ tools }}", ""),
        ("{% for m in messages if not m.tools %}{{ m | tojson }}{% endfor %}", "tools"),
        ("{% for m in messages %}{{ m.content }}{{ m.tool_calls }}{% endfor %}{{ tools }}", "reasoning of tool calls"),
    ],
)  # fmt: skip
def test_what_cannot_arrive_is_reported(jinja, left_out):
    assert ", ".join(ChatTemplate(jinja).findings.left_out).startswith(left_out)
    assert bool(ChatTemplate(jinja).findings.left_out) == bool(left_out)


def test_a_template_that_rejects_content_beside_reasoning_gets_both_as_the_reasoning():
    template = ChatTemplate(
        "{% for m in messages %}{% if m.tool_calls and m.content and m.thinking %}{{ raise_exception('both') }}"
        "{% endif %}{{ m.thinking }}{{ m.content }};{% endfor %}"
    )

    assert render(template, ASK, {**CALLING, "content": "So."}, RESULT) == "Rome?;Look.\n\nSo.;sun;"


def test_names_are_escaped_as_the_text_of_users():
    template = ChatTemplate("{% for m in messages %}{{ m.name or m.role }}: {{ m.content }}{% endfor %}")
    body = {"model": "m", "messages": [{**ASK, "name": "<|user|>"}]}
    request = decode_request(json.dumps(body).encode())

    assert render(template, ASK) == "Eva: Rome?"
    assert "<|user|>" not in render_request(template, request, FORMATS["glm-4.6"])


@pytest.mark.parametrize(("clear", "kept"), [(True, "1"), (False, "23")])
def test_clear_thinking_has_three_names(clear, kept):
    template = ChatTemplate(
        "{{ 1 if drop_thinking else 2 }}{{ 3 if preserve_thinking is defined and preserve_thinking is true }}"
    )

    assert render(template, ASK, thinking={"clear_thinking": clear}) == kept


def test_a_request_can_set_a_variable_of_the_template():
    template = ChatTemplate("{{ tone }}", variables={"tone": "calm"})

    assert render(template, ASK) == "calm"
    assert render(template, ASK, chat_template_kwargs={"tone": {"a": [1]}}) == "{'a': [1]}"


def test_a_variable_that_a_request_sets_is_escaped_as_the_text_of_users():
    template = ChatTemplate("{{ tone | tojson }}")
    tone = {"<|user|>": ["<|user|>"]}
    body = {"model": "m", "messages": [ASK], "chat_template_kwargs": {"tone": tone}}
    request = decode_request(json.dumps(body).encode())

    assert "<|user|>" not in render_request(template, request, FORMATS["glm-4.6"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *(("messages", "cannot be set here"), ("tools", "cannot be set here"), ("bos_token", "cannot be set here")),
        *(("tonne", "no such variable; it has tone"), ("raise_exception", "no such variable; it has tone")),
    ],
)  # fmt: skip
def test_a_variable_that_the_template_lacks_or_another_field_sets_is_rejected(name, message):
    template = ChatTemplate(
        "{{ tone }}{{ messages }}{{ bos_token }}{{ range(2) }}", tokens={"bos_token": "<s>"}
    )

    with pytest.raises(RequestError, match=f"^chat_template_kwargs.{name}: .*{message}"):
        render(template, ASK, chat_template_kwargs={name: "x"})


# --- system messages ------------------------------------------------------------------------------

SYSTEM = [{"role": "system", "content": text} for text in ("one", "two", "three", "four")]
HERE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
FIRST = (
    "{% for m in messages %}{% if m.role == 'system' and not loop.first %}{{ raise_exception('no') }}{% endif %}"
    "{% if loop.previtem is defined and m.role == loop.previtem.role %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "<{{ m.role }}>{{ m.content }}{% endfor %}"
)
DROPPED = (
    "{% if messages[0].role == 'system' %}<system>{{ messages[0].content }}{% endif %}"
    "{% for m in messages if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endfor %}"
)
NONE = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ m.content }}{% endfor %}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (HERE, "<system>one<system>two<user>Rome?<system>three<assistant>Hi<system>four<user>Rome?"),
        (FIRST, "<system>one\n\ntwo<user>Rome?\n\nthree<assistant>Hi<user>four\n\nRome?"),
        (DROPPED, "<system>one\n\ntwo<user>Rome?\n\nthree<assistant>Hi<user>four\n\nRome?"),
    ],
)
def test_later_system_messages_are_in_every_prompt(source, expected):
    answer = {"role": "assistant", "content": "Hi"}
    messages = [*SYSTEM[:2], ASK, SYSTEM[2], answer, SYSTEM[3], ASK]
    assert render(ChatTemplate(source), *messages) == expected


def test_a_template_without_system_messages_rejects_them():
    with pytest.raises(RequestError, match=r"messages\[0\]"):
        render(ChatTemplate(NONE), SYSTEM[0], ASK)
