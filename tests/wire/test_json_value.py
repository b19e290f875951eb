"""The size and depth of a client's JSON."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RequestError
from headrace.wire import decode_request, json_value
from headrace.wire.json_value import MAX_SYMBOLS, DepthError, SizeError, decode_json

VALUES = st.recursive(
    st.text() | st.integers() | st.booleans(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
)


def symbols(value):
    match value:
        case list():
            return 1 + max(len(value) - 1, 0) + sum(map(symbols, value))
        case dict():
            return 1 + max(2 * len(value) - 1, 0) + sum(map(symbols, value.values()))
        case str():
            return 1
        case _:
            return 0


@given(VALUES)
def test_exactly_the_symbols_outside_of_strings_are_counted(value):
    body = json.dumps(value).encode()

    assert len(list(json_value._find_outside(json_value._SYMBOL, body))) == symbols(value)


@pytest.mark.parametrize("piece", ["a", '\\"', "\\\\", "\\u6c34", "水"])
@pytest.mark.parametrize("length", [63, 64, 65, 16_383, 16_384, 16_385, 100_000])
def test_a_string_of_any_length_is_one_symbol(piece, length):
    body = b'["' + piece.encode() * length + b'",""]'

    assert len(list(json_value._find_outside(json_value._SYMBOL, body))) == 4


PIECES = ["[],", '{"a":1},', '"\\"",', '"",']


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("convert", [str, str.encode])
def test_too_many_values_are_rejected_before_they_are_decoded(piece, convert):
    with pytest.raises(SizeError, match=str(MAX_SYMBOLS)):
        decode_json(convert("[" + piece * MAX_SYMBOLS))  # which is not JSON, but that is not noticed

    assert decode_json(convert(json.dumps({"a": piece * MAX_SYMBOLS}))) == {"a": piece * MAX_SYMBOLS}


@pytest.mark.parametrize("count", [MAX_SYMBOLS - 1, MAX_SYMBOLS])
def test_the_limit_of_values_is_exact(count):
    text = f'["{"a" * MAX_SYMBOLS}"{",1" * (count - 2)}]'
    assert len(decode_json(text)) == count - 1
    with pytest.raises(SizeError):
        decode_json(text.replace("1]", "1,1,1]"))


def test_the_body_and_the_arguments_of_a_call_have_the_same_limit():
    numbers = "[" + "1," * MAX_SYMBOLS + "1]"
    body = '{"model":"m","messages":[{"role":"user","content":"a"},%s],"x":%s}'
    call = {"function": {"name": "f", "arguments": numbers}}
    message = json.dumps({"role": "assistant", "tool_calls": [call]})
    with pytest.raises(RequestError, match="^the body has more than") as too_large:
        decode_request((body % ('{"role":"user","content":"a"}', numbers)).encode())
    with pytest.raises(
        RequestError, match=r"^messages\[1\].tool_calls\[0\].function.arguments has more than"
    ):
        decode_request((body % (message, "1")).encode())

    assert too_large.value.code == "1210"


class Search:
    """A pattern that notes how much text each call covers."""

    def __init__(self, pattern, covered):
        self.pattern, self.covered = pattern, covered

    def search(self, text, start, end):
        found = self.pattern.search(text, start, end)
        self.covered.append((found.end() if found else min(end, len(text))) - start)
        return found

    def match(self, text, start):
        found = self.pattern.match(text, start)
        self.covered.append(found.end() - start)
        return found

    def sub(self, by, text):
        self.covered.append(len(text))
        return self.pattern.sub(by, text)


LARGE = 2_300_000
UNITS = [" ", "9", "a", '\\"', "\\ud800", "水"]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    "frame", ["%s", "[%s]", '{"a": "%s"}', '"%s', '"\\ud800%s"', '{"b":"%s","a":' + "[" * 1000]
)
def test_other_threads_run_between_steps_over_a_large_text(unit, frame, monkeypatch):
    covered = []
    for name in ("_SYMBOL", "_BRACKET", "_REST_OF_STRING", "_SURROGATE"):
        monkeypatch.setattr(json_value, name, Search(getattr(json_value, name), covered))
    with suppress(ValueError):
        decode_json((frame % (unit * (LARGE // len(unit.encode())))).encode())

    assert max(covered) <= 2**20 + 2**14  # a millisecond
    assert sum(covered) < 3 * LARGE


@given(st.text(st.sampled_from("a\ud83d\ude00水😀")), st.integers(1, 5))
def test_every_half_of_a_surrogate_pair_is_replaced(text, piece):
    text = json.loads(json.dumps(text))  # in which two halves are one character
    expected = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_value, "_PIECE", piece)
        assert decode_json(json.dumps({text: [text]})) == {expected: [expected]}


@given(VALUES, st.integers(1, 20))
def test_symbols_are_found_wherever_the_text_is_cut(value, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_value, "_PIECE", piece)
        body = json.dumps(value).encode()
        assert len(list(json_value._find_outside(json_value._SYMBOL, body))) == symbols(value)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"a":1,"b":{"c":"d"},"e":%s', "e"),
        ('{"a":"%s","b\\"":' % ("[" * 200) + "%s", 'b\\"'),
        ('{"a":[{"b":%s', "a"),
        ("%s", ""),
        ('{"水":%s', "水"),
        ('{"%s":' % ("a" * 200) + "%s", "a" * 64),
    ],
)
def test_the_field_that_is_nested_too_deeply_is_named(text, field):
    with pytest.raises(DepthError) as caught:
        decode_json(text % ("[" * 50_000))

    assert str(caught.value).startswith(f"{field or 'the text'} is nested")


def test_the_cost_of_an_unclosed_string_is_linear():
    with pytest.raises(ValueError, match="truncated"):
        decode_json(b'"' + b'\\"' * 5_000_000)  # would take days if each quote began a search
