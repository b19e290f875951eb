"""Hypothesis strategies: answers that a model could give, and text that no model should."""

import re
from dataclasses import replace

from hypothesis import strategies as st

from answers import TOOLS, Answer, Call, Family, written
from headrace.formats import FORMATS

# Text that has a meaning somewhere: it must be verbatim wherever it has none.
FRAGMENTS = (
    "<", ">", "</", "<t", "</arg_", "</arg_value>", "<arg_value>", "<arg_key>", "</arg_key>",
    "<tool_call>", "</tool_call>", "<think>", "</think>", "<|user|>", "\n", "\n\n", " ", "\t", '"', "'",
    "\\", '\\"', "{", "}", "[", "]", "[1] ", ",", ":", "null", "true", "True", "7", "-1.5e3", "a", "get",
    "write_file", "get_time", "你好", "é", "🌟", "\u2028", "\x00", "\x7f", "\u3000",
)  # fmt: skip

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<[]{|"), max_size=12)
prose = st.lists(st.one_of(words, st.sampled_from(FRAGMENTS)), max_size=6).map("".join)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | prose,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
"""Strings with markers in them, at any depth."""

nullable_strings = st.none() | prose.filter(lambda text: text.strip(' \t\r\n"') not in ("null", "None"))
_VALUES = {
    ("write_file", "path"): prose,
    ("write_file", "content"): prose,
    ("write", "text"): nullable_strings,
    ("write", "mode"): st.sampled_from(["append", "replace"]),
    ("search", "filters"): st.dictionaries(words, json_values, max_size=3),
    ("search", "tags"): st.lists(prose, max_size=3),
    ("search", "limit"): st.none() | st.integers(),
    ("search", "score"): st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    ("search", "verbose"): st.booleans(),
}


def markers_of(name: str) -> list[str]:
    """What means something in a family's output, without the white space around it."""
    format = FORMATS[name]
    markers = {marker.strip() for _, marker in format.steps} | set(format.stops)
    return sorted(marker for marker in markers if len(marker) > 1)


def is_plain(name: str, text: str) -> bool:
    """Whether `text` can stand in a value: markers that follow one another are a protocol's."""
    markers = "|".join(map(re.escape, markers_of(name)))
    return not re.search(rf"({markers})\s*({markers})", text)


@st.composite
def calls(draw, name: str) -> Call:
    """A call of one of `TOOLS`, with arguments of the right types."""
    tool = draw(st.sampled_from(sorted(TOOLS)))
    optional = {key: values for (of, key), values in _VALUES.items() if of == tool}
    arguments = draw(st.fixed_dictionaries({}, optional=optional))
    return Call(tool, {key: value for key, value in arguments.items() if is_plain(name, written(value))})


@st.composite
def answers(draw, family: Family) -> Answer:
    """What a family can say, without its markers in the text."""
    markers = markers_of(family.format)
    text = prose.map(str.strip).filter(
        lambda text: text not in TOOLS and not any(marker in text for marker in markers)
    )
    answer = Answer(draw(text), draw(text), tuple(draw(st.lists(calls(family.format), max_size=3))))
    if not family.thinks:
        answer = replace(answer, reasoning="")
    if answer.calls and not family.talks_and_calls:
        answer = replace(answer, content="")
    return answer


@st.composite
def cut(draw, text: str) -> list[str]:
    """`text` in pieces, some of them empty."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def soups(name: str) -> st.SearchStrategy[str]:
    """A family's markers, names and fragments in any order."""
    fragments = st.sampled_from([*markers_of(name), *FRAGMENTS])
    return st.lists(fragments | words, max_size=12).map("".join)
