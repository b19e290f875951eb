"""A request's level of effort becomes one that the chat template knows."""

import json

import pytest

from headrace.prompts import ChatTemplate, render_request
from headrace.wire import decode_request

LEVELS = ("low", "medium", "high", "xhigh", "max")
CHECKED = "{% if e not in [ALLOWED] %}{{ raise_exception('unknown effort') }}{% endif %}{{ e }}"
TEMPLATES = {
    "writes it": "{{ reasoning_effort | default('medium') }}",
    "writes it capitalized": "{{ reasoning_effort | default('max') | capitalize }}",
    "checks it": "{% set e = reasoning_effort | default('deep') %}"
    + CHECKED.replace("ALLOWED", "'low', 'high', 'deep'"),
    "has others": "{% set e = reasoning_effort | default('xhigh') %}"
    + CHECKED.replace("ALLOWED", "'low', 'medium', 'xhigh'"),
    "has another name for it": "{{ thinking_effort | default('max') }}",
    "knows one": "{{ 'High' if reasoning_effort == 'high' else 'Max' }}",
    "knows none": "{{ 'off' if reasoning_effort == 'none' else 'on' }}",
    "thinks less": "{{ 'off' if reasoning_effort in ['minimal', 'low'] else 'on' }}",
    "checks none, too": "{% set e = reasoning_effort | default('high') %}"
    + CHECKED.replace("ALLOWED", "'none', 'high'"),
    "has no levels": "{{ reasoning_effort is defined }}",
}


def render(jinja, **fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return render_request(ChatTemplate(jinja), decode_request(json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("name", "default", "levels", "off"),
    [
        ("writes it", "medium", "low medium high high high", "medium"),
        ("writes it capitalized", "Max", "Low Medium High Max Max", "Max"),
        ("checks it", "deep", "low high high high high", "deep"),
        ("has others", "xhigh", "low medium xhigh xhigh xhigh", "xhigh"),
        ("has another name for it", "max", "low medium high max max", "max"),
        ("knows one", "Max", "Max Max High Max Max", "Max"),
        ("knows none", "on", "on on on on on", "off"),
        ("thinks less", "on", "off on on on on", "off"),
        ("checks none, too", "high", "high high high high high", "none"),
        ("has no levels", "False", "True True True True True", "False"),
    ],
)
def test_levels_become_the_nearest_that_the_template_knows(name, default, levels, off):
    jinja = TEMPLATES[name]

    assert render(jinja) == default
    assert [render(jinja, reasoning_effort=level) for level in LEVELS] == levels.split()
    for fields in (
        {"thinking": {"type": "disabled"}},
        *({"reasoning_effort": e} for e in ("none", "minimal")),
    ):
        assert render(jinja, **fields) == off


def test_a_template_that_rejects_every_level_does_so_for_a_request():
    jinja = "{% if reasoning_effort is defined %}{{ raise_exception('No levels.') }}{% endif %}"

    with pytest.raises(Exception, match=r"^reasoning_effort: .* rejects this: No levels\."):
        render(jinja, reasoning_effort="low")
    assert render(jinja, reasoning_effort="none") == ""
