import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.parsing.call_object import CallObject
from strategies import json_values, splits, words


def opened(pieces):
    """Name, id and arguments; and how much of the last piece was used."""
    envelope = CallObject()
    arguments, used = "", 0
    for piece in pieces:
        used = envelope.feed(piece)
        arguments += envelope.take_arguments()
    return envelope.name, envelope.id, arguments + envelope.finish(), used, envelope.is_complete


@given(st.data())
def test_name_and_arguments_are_found_under_every_cut(data):
    name, arguments = (
        data.draw(words.filter(bool)),
        data.draw(st.dictionaries(words, json_values, max_size=3)),
    )
    fields = {"name": name, "arguments": arguments} | data.draw(
        st.dictionaries(
            words.filter(lambda key: key not in ("id", "name", "arguments", "parameters")),
            json_values,
            max_size=2,
        )
    )
    text = json.dumps(
        dict(data.draw(st.permutations(list(fields.items())))), ensure_ascii=data.draw(st.booleans())
    )
    found, _, written, _, whole = opened(data.draw(splits(text)))

    assert (found, json.loads(written), whole) == (name, arguments, True)


@pytest.mark.parametrize("key", ["arguments", "parameters"])
def test_arguments_leave_as_they_come(key):
    envelope = CallObject()
    envelope.feed(f'{{"name": "f", "{key}": {{"a": "b')

    assert envelope.take_arguments() == '{"a": "b'
    assert envelope.in_string
    envelope.feed(' c"}')
    assert envelope.take_arguments() == ' c"}'
    assert not envelope.in_string


def test_arguments_before_the_name_wait_for_it():
    envelope = CallObject()
    envelope.feed('{"arguments": {"a": 1}, ')

    assert envelope.take_arguments() == ""
    envelope.feed('"name": "f"}')
    assert envelope.take_arguments() == '{"a": 1}'


def test_what_follows_the_envelope_is_not_used():
    assert opened(['{"name": "f"} and {'])[3:] == (13, True)


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ('{"id": "x", "name": "f"}', "x"),
        ('{"name": "f", "id": "x"}', ""),
        ('{"id": 7, "name": "f"}', ""),
    ],
)
def test_an_id_counts_if_it_stands_before_the_name(text, id):
    assert opened([text])[:2] == ("f", id)


@pytest.mark.parametrize(
    ("value", "arguments"),
    [
        ('"{\\"a\\": 1}"', '{"a": 1}'),
        ('""', ""),
        ("null", ""),
        ("7", ""),
        ("{'a': True}", '{"a": true}'),
        ("[1]", "[1]"),
    ],
)
@pytest.mark.parametrize("order", ['{{"name": "f", "arguments": {}}}', '{{"arguments": {}, "name": "f"}}'])
def test_arguments_may_be_json_in_a_string_or_nothing(value, arguments, order):
    assert opened(order.format(value))[:3] == ("f", "", arguments)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "}",
        "{}",
        "{{{",
        '{"name"}',
        '{"name": }',
        '{"name":, "x"}',
        '{name: "f"}',
        '{"name": "f',
        '{"name": 7}',
        '["a"',
        "\\",
        '{"na',
        '{"x": nul',
    ],
)
def test_what_is_no_envelope_has_no_name_and_does_not_raise(text):
    assert opened([text])[0] == opened(text)[0] == ""


@pytest.mark.parametrize("between", ["", " ", ", "])
@pytest.mark.parametrize("after", ["So be it.", "[1]", "<b>", "\\"])
def test_where_no_key_stands_the_object_is_over(between, after):
    fields = '{"name": "f", "arguments": {"a": 1}' + between

    assert opened([fields + after]) == ("f", "", '{"a": 1}', len(fields), True)


def test_a_key_without_a_meaning_is_protocol():
    assert opened(['{"type": "function", "name": "f", "note": [{"name": "g"}]}'])[:3] == ("f", "", "")


def test_the_first_name_counts():
    assert opened(['{"name": "f", "name": "g"}'])[0] == "f"


def test_a_held_back_beginning_leaves_at_the_end():
    assert opened(['{"name": "f", "arguments": {"a": Tru'])[2] == '{"a": Tru'
    assert opened(['{"name": "f", "arguments": {"a": "\\'])[2] == '{"a": "\\'
