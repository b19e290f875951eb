import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.wire.responses.custom_input import CustomInput


def decoded(pieces):
    decoder = CustomInput()
    return "".join([*map(decoder.feed, pieces), decoder.finish()])


characters = st.sampled_from(
    [*'"\\/bfnrtu{}: ', "\b\f\n\r\t", "\x00", "é", "你", "🌟", "\u2028", "\\u12", "\ud83d"]
)
texts = st.lists(characters, max_size=8).map("".join)
unescaped = st.lists(st.sampled_from([*'\\u"udD8aA0c ', "\\ud83c", "\\udf1f", "\n"]), max_size=10).map(
    "".join
)


@given(texts, st.booleans(), st.sampled_from([None, 1]))
def test_the_text_is_the_same_at_every_cut(text, ascii, indent):
    arguments = json.dumps({"input": text}, ensure_ascii=ascii, indent=indent)
    expected = text.replace("\ud83d", "\ufffd") if ascii else text

    assert decoded([arguments]) == decoded(arguments) == expected
    for cut in range(len(arguments)):
        assert decoded([arguments[:cut], arguments[cut:]]) == expected


@given(unescaped)
def test_what_is_not_valid_json_is_the_same_at_every_cut_too(text):
    arguments = f'{{"input": "{text}'
    expected = decoded([arguments])

    assert decoded(arguments) == expected
    for cut in range(len(arguments)):
        assert decoded([arguments[:cut], arguments[cut:]]) == expected


def test_text_is_returned_as_soon_as_it_is_certain():
    decoder = CustomInput()
    pieces = ['{"input": "a', "b\\", "n\\ud83c", "\\udf1f", "\\u00e", '9"', "}"]

    assert [decoder.feed(piece) for piece in pieces] == ["a", "b", "\n", "🌟", "", "é", ""]
    assert decoder.finish() == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"patch": "a\\nb"}', "a\nb"),  # another name
        ('{"why": "b", "input": "a"}', "a"),  # another member first
        ('"a"', "a"),  # the text alone, as JSON
        ("*** Begin Patch", "*** Begin Patch"),  # the text alone
        ('{"input": {"a": 1}}', '{"input": {"a": 1}}'),  # no text
        ('{"input": "a", "more": 1}', "a"),
        ("{}", "{}"),
        ("", ""),
    ],
)
def test_arguments_of_another_form_are_not_lost(arguments, text):
    assert decoded([arguments]) == decoded(arguments) == text
