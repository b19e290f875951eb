"""Hypothesis strategies: answers that a model could give, and output that no model should.

A choice of Hypothesis costs as much as parsing a line. So a text with all its fragments is one choice, and
so are its splits: this makes ten thousand examples of every property affordable.
"""

import re
from collections.abc import Iterable
from functools import cache

from hypothesis import strategies as st

from answers import TOOLS, Answer, Call, Family, written
from headrace.formats import FORMATS

# Text with a meaning in some states: in all others it must be verbatim.
FRAGMENTS = (
    "<", ">", "</", "<t", "</arg_", "</arg_value>", "<arg_value>", "<arg_key>", "</arg_key>",
    "<tool_call>", "</tool_call>", "<think>", "</think>", "<|user|>", "\n", "\n\n", "\r\n", " ", "\t", '"', "'",
    "\\", '\\"', "{", "}", "[", "]", "[1] ", ",", ":", "null", "true", "True", "7", "-1.5e3", "a", "get",
    "write_file", "get_time", "你好", "é", "🌟", "\u2028", "\x00", "\x7f", "\x85", "\xa0", "\u3000",
)  # fmt: skip


def texts_of(fragments: Iterable[str], *, min_size: int = 0, max_size: int = 12) -> st.SearchStrategy[str]:
    """Draw texts of characters and fragments, for which the upper half of Latin-1 stands."""
    fragments = list(fragments)
    meant = {0x80 + place: fragments[place % len(fragments)] for place in range(0x80)}
    characters = st.characters(exclude_categories=["Cs"])
    return st.text(characters, min_size=min_size, max_size=max_size).map(lambda text: text.translate(meant))


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<[]{|"), max_size=12)
prose = texts_of(FRAGMENTS)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | prose,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
"""Strings with delimiters in them, at any depth."""

nullable_strings = st.none() | prose.filter(lambda text: text.strip(' \t\r\n"') not in ("null", "None"))
_ARGUMENTS = {
    "get_time": {},
    "write_file": {"path": prose, "content": prose},
    "write": {"text": nullable_strings, "state": st.sampled_from(["append", "replace"])},
    "search": {
        "filters": st.dictionaries(words, json_values, max_size=3),
        "tags": st.lists(prose, max_size=3),
        "limit": st.none() | st.integers(),
        "score": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
        "verbose": st.booleans(),
    },
}
_CALLS = st.one_of(
    st.builds(Call, st.just(name), st.fixed_dictionaries({}, optional=arguments))
    for name, arguments in _ARGUMENTS.items()
)


@cache
def delimiters_of(name: str) -> list[str]:
    """Return a format's delimiters, without white space around them."""
    format = FORMATS[name]
    delimiters = {delimiter.strip() for _, delimiter in format.transitions} | set(format.stop_tokens)
    return sorted(delimiter for delimiter in delimiters if len(delimiter) > 1)


def is_plain(name: str, text: str) -> bool:
    """Return whether `text` can be part of a value: consecutive delimiters are markup."""
    delimiters = "|".join(map(re.escape, delimiters_of(name)))
    return not re.search(rf"({delimiters})\s*({delimiters})", text)


def calls(family: Family) -> st.SearchStrategy[Call]:
    """Draw calls of `TOOLS` with valid arguments."""

    def with_plain_arguments(call: Call) -> Call:
        arguments = {
            key: value
            for key, value in call.arguments.items()
            if is_plain(family.format, written(value)) and (family.untyped or not isinstance(value, dict))
        }
        return Call(call.name, arguments)

    return _CALLS.map(with_plain_arguments)


@cache
def answers(family: Family) -> st.SearchStrategy[Answer]:
    """Draw answers that a family can write, without its delimiters in the text."""

    def is_text(text: str) -> bool:
        return not any(delimiter in text for delimiter in delimiters_of(family.format))

    text = texts_of(filter(is_text, FRAGMENTS)).map(lambda text: text.strip(" \t\r\n"))
    text = text.filter(lambda text: text not in TOOLS and is_text(text))
    some_calls = st.lists(calls(family), max_size=3).map(tuple) if family.calls else st.just(())
    nothing = st.just("")
    thought = text if family.thinks else nothing
    if family.mixes:
        return st.builds(Answer, thought, text, some_calls)
    return st.builds(Answer, thought, text) | st.builds(Answer, thought, nothing, some_calls)


@st.composite
def splits(draw, text: str) -> list[str]:
    """Split `text` into parts, some of them empty."""
    places = [byte * (len(text) + 1) >> 8 for byte in sorted(draw(st.binary(max_size=8)))]
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


@cache
def soups(name: str) -> st.SearchStrategy[str]:
    """Draw a format's delimiters and other fragments in any order."""
    return texts_of([*delimiters_of(name), *FRAGMENTS], min_size=6, max_size=24)
