"""Idioms of real chat templates render as in transformers: what they write, from the same messages."""

import json

import pytest

from headrace.prompts import ChatTemplate, render_request
from headrace.wire import decode_request

ASK = {"role": "user", "content": "Rom?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"city": "Rom", "n": [1]}'}}
CALLING = {"role": "assistant", "reasoning_content": "Mal sehen.", "tool_calls": [CALL]}
EARLIER = {"role": "assistant", "content": "Ja.", "reasoning_content": "Früher."}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "Sonne"}
PROPERTIES = {"n": {"type": "integer"}, "city": {"type": "string"}}
TOOL = {
    "type": "function",
    "function": {
        "name": "f_g",
        "description": "d",
        "parameters": {"type": "object", "properties": PROPERTIES},
    },
}

CASES = {
    "an unknown filter that is not reached": (
        ("{% for m in messages %}{% for c in m.tool_calls or [] %}{% set a = c.function.arguments %}"
        "{% if a is string %}{% set a = a | from_json %}{% endif %}{{ a.city }}{% endfor %}{% endfor %}"),
        [ASK, CALLING, RESULT],
        "Rom",
    ),
    "arguments as an object or a text": (
        ("{% for m in messages %}{% for c in m.tool_calls or [] %}{% if c.function.arguments is mapping %}"
        "{% for k, v in c.function.arguments | items %}{{ k }}: {{ v if v is string else v | tojson }}; {% endfor %}"
        "{% else %}{{ c.function.arguments }}{% endif %}{% endfor %}{% endfor %}"),
        [ASK, CALLING, RESULT],
        "city: Rom; n: [1]; ",
    ),
    "content as a text or parts": (
        ("{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}"
        "{% for part in m.content %}{{ part['text'] }}{% endfor %}{% endif %}|{% endfor %}"),
        [{"role": "user", "content": [{"type": "text", "text": "Ro"}, {"type": "text", "text": "m?"}]}, EARLIER, ASK],
        "Rom?|Ja.|Rom?|",
    ),
    "the reasoning of the current loop only": (
        ("{% set ns = namespace(last=0) %}{% for m in messages %}{% if m.role == 'user' %}"
        "{% set ns.last = loop.index0 %}{% endif %}{% endfor %}{% for m in messages %}"
        "{% if loop.index0 > ns.last and m.reasoning_content %}({{ m.reasoning_content }}){% endif %}"
        "{{ m.content }}{% endfor %}"),
        [ASK, EARLIER, ASK, CALLING, RESULT],
        "Rom?Ja.Rom?(Mal sehen.)Sonne",
    ),
    "the last question found backwards": (
        ("{% set ns = namespace(at=-1, found=false) %}{% for m in messages[::-1] %}{% if not ns.found and "
        "m.role == 'user' and not m.content.startswith('<') %}{% set ns.found = true %}"
        "{% set ns.at = messages | length - 1 - loop.index0 %}{% endif %}{% endfor %}{{ ns.at }}"),
        [ASK, EARLIER, ASK, CALLING, RESULT],
        "2",
    ),
    "macros with a caller, blocks that are set": (
        ("{% macro tag(name) %}<{{ name }}>{{ caller() }}</{{ name }}>{% endmacro %}"
        "{% set title %}{{ messages | length }} in all{% endset %}{{ title | title }}"
        "{% for m in messages %}{% call tag(m['role']) %}{{ m['content'] | trim }}{% endcall %}{% endfor %}"),
        [{"role": "user", "content": " Rom?\n"}],
        "1 In All<user>Rom?</user>",
    ),
    "filters and methods in a row": (
        ("{% for t in tools %}{{ t.function.parameters.properties | dictsort | map('first') | join('&') }} "
        "{{ '%s()' | format(t.function.name | replace('_', '.')) }}{% endfor %}"
        "{{ ' ' ~ messages[-1].content.split('?')[0].upper().lstrip('R') }}"),
        [ASK],
        "city&n f.g() OM",
    ),
    "types in a recursive macro": (
        ("{% macro type(s) %}{% if s.type == 'object' %}{% for k, v in s.properties.items() %}{{ k }}={{ type(v) }} "
        "{% endfor %}{% else %}{{ s.type }}{% endif %}{% endmacro %}"
        "{% for t in tools %}{{ type(t.function.parameters) }}{% endfor %}"),
        [ASK],
        "n=integer city=string ",
    ),
    "a namespace that a macro changes": (
        ("{% macro add(ns, text) %}{% set ns.text = ns.text + text %}{% endmacro %}{% set ns = namespace(text='') %}"
        "{% for m in messages %}{{ add(ns, m.content) }}{% endfor %}{{ ns.text }}"),
        [ASK, EARLIER, ASK],
        "Rom?Ja.Rom?",
    ),
    "neighbours in a loop": (
        ("{% for m in messages %}{% if loop.previtem is undefined or loop.previtem.role != m.role %}[{% endif %}"
        "{{ m.content }}{% if loop.last or loop.nextitem.role != m.role %}]{% endif %}{% endfor %}"),
        [ASK, ASK, EARLIER, ASK],
        "[Rom?Rom?][Ja.][Rom?]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_idiom_renders_as_in_transformers(case):
    jinja, messages, prompt = case
    body = {"model": "m", "messages": messages, "tools": [TOOL]}

    assert render_request(ChatTemplate(jinja), decode_request(json.dumps(body).encode())) == prompt
