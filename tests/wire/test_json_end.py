"""The end of a JSON value in fragments."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.wire.json_end import JsonEnd

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a"\\{}[]é\n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict | list | str))


def ends(fragments):
    scanner = JsonEnd()
    return [scanner.feed(fragment) for fragment in fragments]


@given(VALUES, st.booleans())
def test_a_value_is_complete_with_its_last_character_and_not_before(value, is_ascii):
    text = json.dumps(value, ensure_ascii=is_ascii)

    assert ends(text) == [False] * (len(text) - 1) + [True]
    for at in range(1, len(text)):
        assert ends([text[:at], text[at:]]) == [False, True]


@pytest.mark.parametrize("text", ["", "12", "null", "true", '{"a":', '["', '"a\\"'])
def test_other_text_has_no_end(text):
    assert ends([text]) == [False]
    assert ends([text, ""]) == [False, False]


def test_text_after_the_end_is_ignored():
    assert ends(["{}", "{", '"']) == [True, True, True]
