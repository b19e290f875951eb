"""Work is counted, so these tests take milliseconds where a template of the same kind would take hours."""

import pytest
from jinja2.exceptions import SecurityError

from headrace.errors import EngineError, RequestError
from headrace.prompts import ChatTemplate
from headrace.prompts.budget import budget
from headrace.prompts.sandbox import BoundedEnvironment

UNITS = 1_000_000
TEXT = "{% set s = 'a' * 20000 %}"
DOUBLED = "{% set n = namespace(s=START) %}{% for i in range(14) %}{% set n.s = AGAIN %}{% endfor %}"
# A list of 15 nested lists, whose text has 2**14 items.
NESTED = DOUBLED.replace("START", "[1]").replace("AGAIN", "[n.s, n.s]")


def run(source, units=UNITS):
    with budget(units):
        return BoundedEnvironment().from_source(source).render()


def repeated(statement, times=2000):
    return f"{TEXT}{{% for i in range({times}) %}}{statement}{{% endfor %}}"


def test_a_loop_may_have_a_namespace_of_its_own():
    source = "{% for i in [1] %}{% set n = namespace(a=1) %}{{ {'b': 2}.get('b') }}{% endfor %}"

    assert run(source) == "2"


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(200) %}{% for j in range(200) %}{% endfor %}{% endfor %}",
        "{% for i in range(200) %}{% for j in range(200) if false %}{% endfor %}{% endfor %}",
        "{% for i in range(200) recursive %}{% if loop.depth < 3 %}{{ loop(range(200)) }}{% endif %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(12) }}",
        "{% macro m() %}{{ caller() }}{% endmacro %}{% for i in range(3000) %}{% call m() %}{% endcall %}{% endfor %}",
        "{% for i in range(2000) %}" + "text" * 500 + "{% endfor %}",
        "{% for i in range(2000) %}{{ '" + "text" * 500 + "' }}{% endfor %}",
        "{% for i in range(2000) %}{% set x = [" + "1, " * 500 + "] %}{% endfor %}",
        "{% set x = cycler(1) %}{% for i in range(4000) %}{{ x.next() }}{% endfor %}",
    ],
)
def test_repetition_is_counted(source):
    with pytest.raises(SecurityError, match="more work"):
        run(source)


@pytest.mark.parametrize(
    "expression",
    [
        *("s == s ~ 'b'", "s < s ~ ''", "'b' in s", "s not in [s ~ 'b']", "s is lower", "s is eq(s)"),
        *("s[1:]", "s[::-1]", "s + s", "s ~ s", "s|upper", "s.upper()", "s.split('b')", "s.count('b')"),
        *("s|list|length", "s|replace('b', 'c')", "'%s' % s", "'{}'.format(s)", "'%s'|format(s)"),
        *("s|tojson", "[s]|join", "''.join([s])", "[s, s]|sort", "[s]|map('upper')|list", "s|string"),
        *("dict(a=s).items()|string", "s|int", "s|trim", "s.find('b')", "s|escape", "s|first ~ s|length ~ s"),
        *("range(9999)|map(attribute='real')|sum", "range(9999)|select|list", "range(9999)|sum"),
    ],
)
def test_what_an_operation_reads_is_counted(expression):
    with pytest.raises(SecurityError, match="more work"):
        run(repeated(f"{{% set x = {expression} %}}"))


@pytest.mark.parametrize(
    "again",
    [
        *(
            "n.s ~ n.s",
            "n.s + n.s",
            "n.s * 2",
            "[n.s, n.s]|join",
            "''.join([n.s, n.s])",
            "'%s%s' % (n.s, n.s)",
        ),
        *("'%s%s'|format(n.s, n.s)", "'{0}{0}'.format(n.s)", "'{a}{a}'.format_map({'a': n.s})"),
        *("n.s.replace('a', 'aa')", "n.s|replace('a', 'aa')", "[n.s]|join(n.s) ~ [1, 2]|join(n.s) ~ n.s"),
    ],
)
def test_a_text_that_doubles_is_counted(again):
    source = DOUBLED.replace("range(14)", "range(24)").replace("START", "'aa'").replace("AGAIN", again)

    with pytest.raises(SecurityError, match="more work"):
        run(source)


def test_a_captured_text_that_doubles_is_counted():
    with pytest.raises(SecurityError, match="more work"):
        run(
            "{% set n = namespace(s='aa') %}{% for i in range(24) %}"
            "{% set x %}{{ n.s }}{{ n.s }}{% endset %}{% set n.s = x %}{% endfor %}"
        )


@pytest.mark.parametrize(
    "use",
    [
        *(
            "{{ n.s }}",
            "{{ n.s|string|length }}",
            "{{ n.s|tojson|length }}",
            "{{ n.s ~ '' }}",
            "{{ [n.s]|join }}",
        ),
        *("{{ '%s' % [n.s] }}", "{{ '{}'.format(n.s) }}", "{{ {'a': n.s} }}", "{{ [n.s, n.s]|sort }}"),
        *("{{ n.s == n.s[:] }}", "{{ [n.s].index(n.s[:]) }}", "{{ {'a': n.s}.items() }}"),
    ],
)
def test_a_list_that_contains_another_twice_is_counted_as_its_text(use):
    with pytest.raises(SecurityError, match="more work"):
        run(NESTED + use)


@pytest.mark.parametrize(
    "expression",
    [
        *("'a' * 10**10", "10**10 * 'a'", "[1] * 10**10", "(1,) * 10**10", "9**(9**9)", "(-9)**(9**9)"),
        *("10**5000", "('f' * 2000)|int(base=16) * 2", "'%*d' % (10**9, 1)", "'%1000000000d' % 1"),
        *("'%.1000000000f' % 1", "'%(a)1000000000d' % {'a': 1}", "'{:1000000000}'.format(1)"),
        *(
            "'{:{}}'.format(1, 10**9)",
            "'{:>{w}}'.format(1, w='1000000000')",
            "'{:{w}}'.format_map({'w': 10**9})",
        ),
        *(
            "'%1000000000d'|format(1)",
            "('%9999d' * 200) % 1",
            "'a'|indent(10**9, true)",
            "'a\\nb'|indent(10**9)",
        ),
        *("[1]|tojson(indent=10**9)", "range(999)|join('a' * 9999)", "('a' * 999).replace('', 'b' * 9999)"),
        *(
            "('a' * 999)|replace('a', 'b' * 9999)",
            "1|round(10**9, 'ceil')",
            "1|round(-10**9)",
            "'a'.ljust(10**9)",
        ),
        *("'a'.rjust(10**9)", "'a'.zfill(10**9)", "'a'.center(10**9)", "'\\t'.expandtabs(10**9)"),
        *("(1).to_bytes(10**9, 'big')", "'a'.translate({97: 'b' * 9999})", "'a'.encode().ljust(10**9)"),
        *("[[1]]|sum(start=[])", "range(10**9)"),
    ],
)
def test_what_would_be_huge_is_refused_before_it_exists(expression):
    with pytest.raises((SecurityError, OverflowError)):
        run("{{ " + expression + " }}")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ 'a' ~ 1 ~ none ~ missing }}", "a1None"),
        ("{{ [1, 2]|join('-') }}{{ [{'a': 1}]|join(attribute='a') }}{{ '-'.join(['a', 'b']) }}", "1-21a-b"),
        ("{{ 'aa'.replace('a', 'b') }}{{ 'aa'|replace('a', 'b', 1) }}", "bbba"),
        ("{{ '%s %05.2f' % ('a', 1) }}{{ '{:>3}'.format('a') }}{{ '%s'|format('a') }}", "a 01.00  aa"),
        ("{{ 7 // 2 ** 2 % 3 * 4 - 1 + 1.5 }}", "4.5"),
        ("{% for a in [1, 2, 3] if a != 2 %}{{ loop.index }}{{ loop.last }}{% endfor %}", "1False2True"),
        ("{{ [3, 1]|sort|first }}{{ [1, 2]|reverse|list }}{{ {'a': 1}|items|list }}", "1[2, 1][('a', 1)]"),
        ("{{ 2.5|round }}{{ [1, 2]|sum }}{{ 'a\nb'|indent(2) }}", "2.03a\n  b"),
        (
            "{% macro m(n) %}{% set n.a = 2 %}{% endmacro %}{% set n = namespace(a=1) %}{{ m(n) }}{{ n.a }}",
            "2",
        ),
        ("{% set n = namespace(a=1) %}{{ n }}{{ n == n }}{{ [n] | length }}", "<Namespace {'a': 1}>True1"),
        ("{{ 'abc'[::-1] }}{{ 1 < 2 < 3 }}{{ 'b' in 'abc' }}", "cbaTrueTrue"),
    ],
)
def test_counting_changes_no_result(source, text):
    assert run(source) == text


@pytest.mark.parametrize(
    "source",
    [
        *(
            "{% break %}",
            "{{ f(a=1, a=2) }}",
            "{% macro m(a, a) %}{% endmacro %}",
            "{{ " + "1" * 5000 + " }}",
        ),
        *("{{ " + "(" * 300 + "1" + ")" * 300 + " }}", "{{ 1" + "|abs" * 3000 + " }}", "{{ [1]|pprint }}"),
        *("{% for a in b %}" * 25 + "{% endfor %}" * 25, "{% if a %}" * 100 + "{% endif %}" * 100),
        *(
            "{{ " + "-" * 5000 + "1 }}",
            "{{ a" + ".b" * 5000 + " }}",
            "a" * 200_000,
        ),
    ],
)
def test_a_template_that_cannot_be_compiled_is_an_engine_error(source):
    with pytest.raises(EngineError, match="^the chat template"):
        ChatTemplate(source)


@pytest.mark.parametrize(
    "source",
    [
        *(
            "{{ cycler() }}",
            "{{ (1e308 * 10)|int }}",
            "{{ 1 / 0 }}",
            "{{ missing.field }}",
            "{% include 'a' %}",
        ),
        *(
            "{% set n = namespace() %}{% set n.n = n %}{{ n }}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "{{ 9**(9**9) }}",
        ),
        *("{{ raise_exception('a' * 9999) }}", "{{ strftime_now('%1000000000Y') }}", "{{ messages[0].x.y }}"),
    ],
)
def test_whatever_a_template_raises_is_the_documented_error(source):
    with pytest.raises(
        RequestError, match="^messages: the model's chat template (failed|rejects this): "
    ) as raised:
        ChatTemplate(source).render([{"role": "user", "content": "Hi"}])
    assert len(raised.value.message) < 400


def test_the_budget_grows_with_the_request():
    template = ChatTemplate(
        "{% for m in messages %}{{ m.content }}{% for p in m.parts %}{{ p }}{% endfor %}{% endfor %}"
    )
    messages = [{"content": "x" * 1000, "parts": ["y"] * 100}] * 20_000

    assert len(template.render(messages)) == 20_000 * 1100
