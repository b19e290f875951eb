"""Chat templates have the filters, tests, functions and tags that transformers 5.24 gives them.

It takes an `ImmutableSandboxedEnvironment` of Jinja 3.1 and adds the tags of `loopcontrols`, the tag
`generation`, a `tojson` of its own, `raise_exception` and `strftime_now` (utils/chat_template_utils.py).
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.prompts import ChatTemplate
from headrace.prompts.compilation import environment
from headrace.prompts.escaping import ESCAPED, unescape

FILTERS = """
abs attr batch capitalize center count d default dictsort e escape filesizeformat first float forceescape format
groupby indent int items join last length list lower map max min pprint random reject rejectattr replace reverse
round safe select selectattr slice sort string striptags sum title tojson trim truncate unique upper urlencode
urlize wordcount wordwrap xmlattr
"""
NOT_LINEAR = {"pprint", "striptags", "urlize", "wordwrap", "xmlattr"}
"""They lay out HTML and text for people, and their work cannot be counted; no known chat template has them."""
TESTS = """
!= < <= == > >= boolean callable defined divisibleby eq equalto escaped even false filter float ge greaterthan gt
in integer iterable le lessthan lower lt mapping ne none number odd sameas sequence string test true undefined
upper
"""
GLOBALS = "cycler dict joiner namespace raise_exception range strftime_now"  # and `lipsum`, filler text
BLOCKS = [
    "{% for a in [1] %}{% if a %}{% continue %}{% elif a %}{% break %}{% else %}{% endif %}{% else %}{% endfor %}",
    "{% set a = 1 %}{% set b %}c{% endset %}{% with a = 2 %}{% endwith %}{% filter upper %}{% endfilter %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{% endcall %}{% block b %}{% endblock %}",
    "{% generation %}{% endgeneration %}{% autoescape false %}{% endautoescape %}{% raw %}{% endraw %}",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
HELLO = [{"role": "user", "content": "Hi"}]


def render(jinja, **variables):
    return ChatTemplate(jinja).render(HELLO, **variables)


def test_every_filter_is_there():
    assert {name for name in environment().filters if "(" not in name} == {*FILTERS.split()} - NOT_LINEAR


def test_every_test_is_there():
    assert {*environment().tests} == {*TESTS.split()}


def test_every_function_is_there():
    assert {*environment().globals} == {*GLOBALS.split()}


@pytest.mark.parametrize("block", BLOCKS)
def test_every_tag_is_there(block):
    assert render(block) == ""


@given(
    VALUES,
    st.booleans(),
    st.none() | st.integers(0, 4) | st.sampled_from(["", " ", "\t"]),
    st.none() | st.tuples(st.sampled_from([",", ", ", "，"]), st.sampled_from([":", ": "])),
    st.booleans(),
)
def test_tojson_has_the_arguments_of_json(value, ascii, indent, separators, sorted):
    options = {"ensure_ascii": ascii, "indent": indent, "separators": separators, "sort_keys": sorted}
    jinja = "value | tojson(o.ensure_ascii, o.indent, o.separators, o.sort_keys)"
    named = "value | tojson(ensure_ascii=o.ensure_ascii, indent=o.indent, separators=o.separators, sort_keys=o.sort_keys)"
    expected = json.dumps(value, **options)
    if ascii:  # separators are no text
        expected = expected.replace("，", "\\uff0c") if separators and separators[0] == "，" else expected

    rendered = render(f"{{{{ {jinja} }}}}\n{{{{ {named} }}}}", value=value, o=options)
    assert rendered == f"{expected}\n{expected}"


@given(st.lists(st.sampled_from(["<", *ESCAPED, "\\", "u", "fdd0", '"', "é", "\x7f", "😀"])).map("".join))
def test_tojson_in_ascii_keeps_what_users_wrote_escaped(text):
    rendered = render("{{ value | tojson(ensure_ascii=True) }}", value=text)

    assert [char for char in rendered if char in ESCAPED] == [char for char in text if char in ESCAPED]
    assert json.loads(unescape(rendered)) == unescape(text)
    assert "".join(char for char in rendered if char not in ESCAPED).isascii()


def test_the_text_that_a_model_is_trained_on_is_only_marked():
    jinja = "{% set a = 1 %}{% for m in messages %}{% generation %}{% set a = 2 %}<{{ m.content }}>{% endgeneration %}{% endfor %}{{ a }}"

    assert render(jinja) == "<Hi>1"


@pytest.mark.parametrize(
    ("jinja", "text"),
    [
        ("{{ [1, 2, 3] | batch(2, '-') | list }}", "[[1, 2], [3, '-']]"),
        ("{{ [1, 2, 3] | slice(2) | list }}", "[[1, 2], [3]]"),
        ("{{ 'a' | center(3) }}", " a "),
    ],
)
def test_filters_of_jinja_that_lay_out_lists(jinja, text):
    assert render(jinja) == text
