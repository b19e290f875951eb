import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.parsing.call_object import CallObject
from strategies import json_values, splits, words


def read(parts):
    """Name, id and arguments, the characters used of the last part, and whether the object is complete."""
    call = CallObject()
    arguments, used = "", 0
    for part in parts:
        used = call.feed(part)
        arguments += call.take_arguments()
    return call.name, call.id, arguments + call.finish(), used, call.is_complete


@given(st.data())
def test_name_and_arguments_are_found_however_the_text_is_split(data):
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
    found, _, written, _, is_complete = read(data.draw(splits(text)))

    assert (found, json.loads(written), is_complete) == (name, arguments, True)


@pytest.mark.parametrize("key", ["arguments", "parameters"])
def test_arguments_are_streamed(key):
    call = CallObject()
    call.feed(f'{{"name": "f", "{key}": {{"a": "b')

    assert call.take_arguments() == '{"a": "b'
    assert call.in_string
    call.feed(' c"}')
    assert call.take_arguments() == ' c"}'
    assert not call.in_string


def test_arguments_before_the_name_are_buffered():
    call = CallObject()
    call.feed('{"arguments": {"a": 1}, ')

    assert call.take_arguments() == ""
    call.feed('"name": "f"}')
    assert call.take_arguments() == '{"a": 1}'


def test_text_after_the_object_is_not_used():
    assert read(['{"name": "f"} and {'])[3:] == (13, True)


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ('{"id": "x", "name": "f"}', "x"),
        ('{"name": "f", "id": "x"}', ""),
        ('{"id": 7, "name": "f"}', ""),
    ],
)
def test_an_id_before_the_name_counts(text, id):
    assert read([text])[:2] == ("f", id)


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
def test_arguments_may_be_json_in_a_string_or_missing(value, arguments, order):
    assert read(order.format(value))[:3] == ("f", "", arguments)


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
def test_text_that_is_not_a_call_object_has_no_name_and_does_not_raise(text):
    assert read([text])[0] == read(text)[0] == ""


@pytest.mark.parametrize("between", ["", " ", ", "])
@pytest.mark.parametrize("after", ["So be it.", "[1]", "<b>", "\\"])
def test_text_in_place_of_a_key_ends_the_object(between, after):
    fields = '{"name": "f", "arguments": {"a": 1}' + between

    assert read([fields + after]) == ("f", "", '{"a": 1}', len(fields), True)


def test_other_keys_are_ignored():
    assert read(['{"type": "function", "name": "f", "note": [{"name": "g"}]}'])[:3] == ("f", "", "")


def test_the_first_name_counts():
    assert read(['{"name": "f", "name": "g"}'])[0] == "f"


def test_text_that_was_held_back_is_emitted_at_the_end():
    assert read(['{"name": "f", "arguments": {"a": Tru'])[2] == '{"a": Tru'
    assert read(['{"name": "f", "arguments": {"a": "\\'])[2] == '{"a": "\\'
