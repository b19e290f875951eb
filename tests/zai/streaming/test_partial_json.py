"""Incomplete JSON."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zai.streaming.partial_json import PartialJson

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(st.text(), values, max_size=4) | st.lists(values, max_size=4)


def fed(*fragments):
    partial = PartialJson()
    for fragment in fragments:
        partial.feed(fragment)
        _ = partial.value
    return partial


@given(documents, st.booleans(), st.sampled_from([None, 1]))
def test_complete_text_gives_the_value_in_every_split(value, escaped, indent):
    text = json.dumps(value, ensure_ascii=escaped, indent=indent)

    assert fed(text).value == value
    assert fed(*text).value == value
    for at in range(len(text)):
        assert fed(text[:at], text[at:]).value == value


PARTS = {
    "": None,
    " ": None,
    "{": {},
    '{"a': {},
    '{"a"': {},
    '{"a":': {},
    '{"a": "': {"a": ""},
    '{"a": "b': {"a": "b"},
    '{"a": "b"': {"a": "b"},
    '{"a": "b\\': {"a": "b"},
    '{"a": "b\\u00e': {"a": "b"},
    '{"a": "b\\n': {"a": "b\n"},
    '{"a": 1': {},
    '{"a": 1,': {"a": 1},
    '{"a": tru': {},
    '{"a": true}': {"a": True},
    '{"a": [1, {"b": "c': {"a": [1, {"b": "c"}]},
    "[": [],
    "[[": [[]],
    '"te': "te",
    '{"a": 1} and more': {"a": 1},
}


@pytest.mark.parametrize(("text", "value"), PARTS.items())
def test_incomplete_text_gives_what_is_certain(text, value):
    assert fed(text).value == value
    assert fed(*text).value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("}", None),
        ("{]", {}),
        ('{"a" 1}', {}),
        ('{"a": b}', {}),
        ("[1 2]", [1]),
        ('{"a": "\\uzzzz"}', {"a": ""}),
        ("x ", None),
    ],
)
def test_invalid_text_keeps_what_was_certain_and_does_not_raise(text, value):
    assert fed(text, ', "more": 1}').value == value


TOKENS = [
    *'[]{}",:0123456789.eE+-/ \n\x00a',
    "\\",
    "true",
    "null",
    "NaN",
    "Infinity",
    "[1",
    '{"a":',
    '"b"',
    ",]",
]
ESCAPES = [
    "\\n",
    "\\x",
    "\\/",
    "\\u0041",
    "\\ud83d",
    "\\ude00",
    "\\uD83D\\uDE00",
    "\\u004",
    "\\u+041",
    "é",
    "\t",
    '"',
]
texts = st.lists(st.sampled_from(TOKENS), max_size=12).map("".join)
strings = st.lists(st.sampled_from(ESCAPES), max_size=6).map("".join)


def reject(constant):
    raise ValueError(constant)


@given(st.sampled_from(["[{}]", '["{}"]', '{{"{}":1}}']), texts | strings)
@example("[{}]", '{"a":1,}')
@example("[{}]", "-Infinity")
@example('["{}"]', "\\ud800\\ud800\\udc00")
@example('["{}"]', "\\ud83d\\n\\ude00")
@example("[{}]", "1" * 4301)
def test_text_is_complete_if_it_is_json_and_its_value_is_that_of_json(frame, inner):
    text = frame.format(inner)
    try:
        expected = json.loads(text, parse_constant=reject)
    except ValueError:
        assert not fed(text).is_complete
        assert not fed(*text).is_complete
    else:
        for partial in (fed(text), fed(*text)):
            assert partial.is_complete
            assert partial.value == expected


def test_half_of_a_surrogate_pair_is_held_back():
    text = '{"a": "\\ud83d\\ude00"}'
    for at in range(len(text)):
        assert "\ud83d" not in str(fed(text[:at]).value)
    assert fed(*text).value == {"a": "😀"}


@given(st.text())
def test_no_text_raises(text):
    fed(*text)


@pytest.mark.parametrize("each_time", [True, False])
def test_each_character_is_parsed_once_however_often_the_value_is_read(each_time):
    text = json.dumps({"content": 'a line\\n of "text" é\n' * 500, "list": list(range(500))})
    partial = PartialJson()
    for at in range(0, len(text), 3):
        partial.feed(text[at : at + 3])
        if each_time:
            _ = partial.value
    assert partial.value == json.loads(text)
    assert partial.scanned == len(text)


def test_the_value_is_one_object_that_grows():
    partial = fed('{"a": [')
    value = partial.value
    partial.feed('1, 2], "b": "c')

    assert partial.value is value
    assert value == {"a": [1, 2], "b": "c"}


@pytest.mark.parametrize(("opening", "place"), [('{"a": "', "a"), ('["', 0)])
def test_a_growing_string_is_extended_in_place(opening, place):
    partial = fed(opening)
    addresses = []
    for _ in range(2000):
        partial.feed("0123456789")
        addresses.append(id(partial.value[place]))

    # A copy always has another address, since the original still exists; the allocator moves few strings.
    moves = sum(address != previous for previous, address in pairwise(addresses))
    assert moves < len(addresses) / 4
