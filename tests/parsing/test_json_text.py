import json
from ast import literal_eval

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.parsing.json_text import JsonText
from strategies import json_values, splits

containers = st.lists(json_values, max_size=3) | st.dictionaries(st.text(max_size=5), json_values, max_size=3)
both_ends = pytest.mark.parametrize("ends", [True, False])


def passed(parts, *, ends=False):
    json_text = JsonText(ends=ends)
    return "".join([json_text.feed(part)[0] for part in parts] + [json_text.finish()])


@both_ends
@given(st.data())
def test_json_passes_unchanged(ends, data):
    text = json.dumps(
        data.draw(containers),
        ensure_ascii=data.draw(st.booleans()),
        indent=data.draw(st.sampled_from([None, 1])),
    )

    assert passed(data.draw(splits(text)), ends=ends) == text


@given(st.data())
def test_the_value_ends_where_its_outermost_bracket_closes(data):
    text = json.dumps(data.draw(containers))
    json_text = JsonText(ends=True)

    for char in text:
        assert not json_text.is_complete
        assert json_text.feed(char)[1] == 1
    assert json_text.is_complete
    assert json_text.feed(" more") == ("", 0)


def test_text_after_the_end_is_not_used():
    assert JsonText(ends=True).feed('{"a": "}"} and {') == ('{"a": "}"}', 10)
    assert JsonText(ends=True).feed('x{"a": "}"} and {', 1) == ('{"a": "}"}', 11)


def test_a_string_ends_at_its_closing_quote():
    json_text = JsonText(ends=True)

    assert json_text.feed('"a\\"b" c') == ('"a\\"b"', 6)
    assert json_text.is_complete


def test_in_string_is_true_inside_of_strings():
    json_text = JsonText(ends=True)

    inside = [
        json_text.feed(part) and json_text.in_string
        for part in ('{"', "a", '\\"', '": ', "[1]", ', "', "}", '"')
    ]
    assert inside == [True, True, True, False, False, True, True, False]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{'a': 'b'}", {"a": "b"}),
        (
            "{'it': 'it\\'s', 'say': '\"hi\"', 'path': 'C:\\\\x'}",
            {"it": "it's", "say": '"hi"', "path": "C:\\x"},
        ),
        ("['both \\\"']", ['both "']),
        ("[True, False, None]", [True, False, None]),
        ("[\"True\", 'None']", ["True", "None"]),
        ('["two\nlines", "a\ttab"]', ["two\nlines", "a\ttab"]),
        ("['two\nlines']", ["two\nlines"]),
        (r"[{\"id\": \"1\"}]", [{"id": "1"}]),
        (r"[\"a\\\"b\", \"C:\\\\x\", \"line\\nend\"]", ['a"b', "C:\\x", "line\nend"]),
    ],
)
@both_ends
def test_text_that_is_clearly_meant_as_json_is_repaired(written, meant, ends):
    assert json.loads(passed([written], ends=ends)) == meant
    assert passed(list(written), ends=ends) == passed([written], ends=ends)


python_texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)


@given(st.data())
def test_python_literals_are_repaired(data):
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | python_texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(python_texts, inner, max_size=3),
        max_leaves=6,
    )
    value = data.draw(st.lists(values, max_size=3))
    # JSON has no escape for unprintable characters beyond U+FFFF, which repr() writes with `\\U`.
    if literal_eval(repr(value)) == value and "\\U" not in repr(value):
        assert json.loads(passed(data.draw(splits(repr(value))))) == value


tokens = st.lists(st.sampled_from([*"[]{}\"'\\,: TFNx1\n", "True", '\\"', "None", "\\\\"]), max_size=12)


@both_ends
@given(st.data())
def test_no_split_changes_the_output(ends, data):
    text = "".join(data.draw(tokens))

    expected = passed([text], ends=ends)
    assert passed(list(text), ends=ends) == passed(data.draw(splits(text)), ends=ends) == expected


@both_ends
@given(st.data())
def test_the_fast_path_for_plain_json_leads_to_the_same_state_as_the_walk(ends, data):
    """`lastgroup` tells `feed` the place at the end of a short text."""
    fast, slow = JsonText(ends=ends), JsonText(ends=ends)

    for part in data.draw(splits("".join(data.draw(tokens)))):
        assert fast.feed(part) == slow._walk(part, 0)
        assert (fast._place, fast.is_complete) == (slow._place, slow.is_complete)


@pytest.mark.parametrize(
    "text", ["", "]", "}{", "[Tru", "[None", "\\", "[1, 2", '{"a": "b', "nonsense", "[Trueish]", "[NaN]"]
)
def test_text_that_is_not_json_passes_unchanged_or_repaired_and_never_raises(text):
    assert passed([text]).lower().replace("null", "none") == text.lower()
