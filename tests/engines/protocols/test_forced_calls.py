"""Every family's calls can be forced: the grammar accepts a call as the family writes it, and the parser reads it."""

import json
from functools import cache
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answers import TOOLS, Call
from grammars import VALIDATOR, accepts, call_grammar, generation, object_of, text_of, tool, written_calls
from headrace.engines.protocols.grammar import answer_grammar
from headrace.errors import RequestError
from headrace.events import Content, Reasoning, ToolCallStart
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from strategies import delimiters_of, texts_of

FAMILIES = sorted({format.name for format in FORMATS.values() if format.syntax})
OFFERED = [tool(schema or {}, name) for name, schema in TOOLS.items()]
FRAGMENTS = (
    "<",
    ">",
    "</",
    "[",
    "{",
    '"',
    "'",
    "\\",
    "\n",
    ": ",
    ", ",
    "=",
    "7",
    "null",
    "a",
    "get_time",
    "你好",
    "🌟",
)
texts = texts_of(FRAGMENTS).filter(lambda text: "\x7f" not in text)  # which llguidance escapes
numbers = st.integers(-(2**40), 2**40)
ARGUMENTS = {
    "get_time": {},
    "write_file": {"path": texts, "content": texts},
    "write": {"text": texts, "state": st.sampled_from(["append", "replace"])},
    "search": {
        "filters": st.dictionaries(
            st.sampled_from("ab"), texts | st.booleans() | st.lists(numbers, max_size=2)
        ),
        "tags": st.lists(texts, max_size=2),
        "limit": st.none() | numbers,
        "score": st.sampled_from([0, -1.5, 12]),
        "verbose": st.booleans(),
    },
}


def with_some(name, arguments):
    """Draw calls that have some of the arguments, in the order of the schema."""
    drawn = st.fixed_dictionaries({}, optional=arguments)
    return drawn.map(lambda some: Call(name, {key: some[key] for key in arguments if key in some}))


CALLS = st.lists(
    st.one_of(with_some(name, arguments) for name, arguments in ARGUMENTS.items()),
    min_size=1,
    max_size=3,
)


@cache
def grammar_of(name, prompt="x", thinking="disabled", tokens=(), **fields):
    request = generation(prompt, thinking, tools=OFFERED, tool_choice="required", **fields)
    return answer_grammar(request, FORMATS[name], VALIDATOR, dict(tokens))


def read(name, text, prompt="x", schemas=TOOLS):
    """The reasoning, the content and the calls in an output."""
    parser = OutputParser(FORMATS[name], schemas, prompt=prompt, tool_stream=False)
    events = [*parser.feed(text), *parser.finish(stopped=True)]
    reasoning, content = (
        "".join(event.text for event in events if isinstance(event, kind)) for kind in (Reasoning, Content)
    )
    return (
        reasoning,
        content,
        [
            Call(event.name, json.loads(event.arguments))
            for event in events
            if isinstance(event, ToolCallStart)
        ],
    )


def excluded(name, calls):
    """Whether a text of a call is ambiguous: it has a tag of the family, or is null where null is allowed."""
    if any(str(value).strip() == "null" for call in calls for value in call.arguments.values()):
        return True
    texts = "\0".join(text_of(list(call.arguments.values())) for call in calls)
    return any(delimiter in texts for delimiter in delimiters_of(name) if delimiter.startswith(("<", "[")))


@given(calls=CALLS)
def test_a_forced_call_is_accepted_and_read_back(calls):
    """Of every family: drawing the calls takes more time than reading them."""
    for name in FAMILIES:
        text = written_calls(FORMATS[name].syntax, calls)
        if not excluded(name, calls):
            assert accepts(grammar_of(name), text), name
            assert read(name, text) == ("", "", calls), name


@pytest.mark.parametrize("name", FAMILIES)
def test_only_calls_are_accepted(name):
    syntax, one = FORMATS[name].syntax, Call("get_time")
    unknown, invalid = (
        written_calls(syntax, [Call("get_date")]),
        written_calls(syntax, [Call("write", {"state": "x"})]),
    )

    for text in ("", "hello", "{}", unknown, invalid, written_calls(syntax, [one])[:-1]):
        assert not accepts(grammar_of(name), text), text
    assert not accepts(grammar_of(name, parallel_tool_calls=False), written_calls(syntax, [one, one]))


@pytest.mark.parametrize("name", [name for name in FAMILIES if FORMATS[name].thinking_tags] + ["gpt-oss"])
def test_thinking_may_precede_a_forced_call(name):
    syntax = FORMATS[name].syntax
    opening, closing = syntax.thinking or FORMATS[name].thinking_tags
    text = f"{opening}so{closing}{written_calls(syntax, [Call('get_time')])}"

    assert accepts(grammar_of(name, thinking="enabled"), text)
    assert read(name, text) == ("so", "", [Call("get_time")])


@pytest.mark.parametrize("name", ["llama-4", "gemma-4"])
def test_arguments_with_separators_may_be_left_out_unless_they_are_required(name):
    schema = {**object_of(b={"type": "string"}), "properties": {key: {"type": "string"} for key in "abc"}}
    grammar = call_grammar(schema, name)

    def is_accepted(*keys):
        return accepts(grammar, written_calls(FORMATS[name].syntax, [Call("f", dict.fromkeys(keys, "x"))]))

    assert [keys for keys in ("b", "ba", "bc", "bac") if not is_accepted(*keys)] == []
    assert [keys for keys in ("", "a", "ac", "bca") if is_accepted(*keys)] == []
    any_name = call_grammar({"type": "object", "additionalProperties": {"type": "string"}}, name)
    for keys in ("", "x", "xyz"):
        assert accepts(any_name, written_calls(FORMATS[name].syntax, [Call("f", dict.fromkeys(keys, "x"))]))


def test_a_special_token_within_a_tag_is_a_token():
    tokens = (("｜DSML｜", 7), ("</think>", 8))
    grammar = grammar_of("deepseek-v3.2", tokens=tokens)

    assert '"<" <[7]> "invoke name=\\""' in grammar
    assert not accepts(grammar, written_calls(FORMATS["deepseek-v3.2"].syntax, [Call("get_time")]))


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (object_of(**{"a b": {}}), r"tools\[0\].function.parameters.properties.a b: model m cannot write"),
        (
            {"properties": {f"a{number}": {} for number in range(65)}},
            "has 65 arguments; a call with more than 64",
        ),
    ],
)
def test_arguments_that_a_family_cannot_write_are_rejected(schema, message):
    with pytest.raises(RequestError, match=message) as caught:
        call_grammar({"type": "object", **schema}, "olmo-3")
    assert caught.value.code == "1212"


@pytest.mark.parametrize("name", FAMILIES)
def test_line_ends_before_a_structure_are_no_text(name):
    syntax, json = FORMATS[name].syntax, {"response_format": {"type": "json_object"}}
    opening, closing = syntax.thinking or FORMATS[name].thinking_tags or ("", "")
    call = written_calls(syntax, [Call("get_time")])
    grammar = answer_grammar(generation("x", "enabled", **json), FORMATS[name], VALIDATOR)
    for thinking, size in product({"", opening and f"{opening}so{closing}"}, range(3)):
        before = thinking + "\n" * size
        assert accepts(grammar_of(name, thinking="enabled"), before + call)
        assert read(name, before + call)[1:] == ("", [Call("get_time")])
        answer = before + syntax.answer.replace("{answer}", "{}")
        assert size or accepts(grammar, answer)
        if accepts(grammar, answer):
            assert read(name, answer)[1:] == ("{}", [])
