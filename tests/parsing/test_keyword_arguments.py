"""Arguments of Python calls become JSON, however the text is split."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.parsing.keyword_arguments import KeywordArguments
from reading import collect, parse
from strategies import json_values, splits

KEYS = ("first", "second")


def convert(parts, *, finish=False):
    """The JSON, and the text behind the arguments."""
    arguments = KeywordArguments(KEYS)
    output, rest = "", ""
    for part in parts:
        if arguments.is_complete:
            rest += part
        else:
            json_text, used = arguments.feed(part)
            output += json_text
            rest += part[used:]
    return output + (arguments.finish() if finish else ""), rest


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,4}", fullmatch=True), json_values, max_size=4), st.data())
def test_literals_of_python_become_json(values, data):
    text = ", ".join(f"{key}={value!r}" for key, value in values.items()) + ")]"

    assert [convert(parts) for parts in (text, [text], data.draw(splits(text)))] == [convert([text])] * 3
    output, rest = convert([text])
    assert (json.loads(output), rest) == (values, "]")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1, b=-2.5e3, c=true, d=null)", {"a": 1, "b": -2500.0, "c": True, "d": None}),
        ("a=(1, 2,), b={'x': [], 'y': {}},)", {"a": [1, 2], "b": {"x": [], "y": {}}}),
        (
            r"""a="it\'s", b='\x41\u00e9\U0001F600\d\0\
')""",
            {"a": "it's", "b": "Aé😀\\d\0"},
        ),
        (r"a='\ud83d\ude00')", {"a": "😀"}),
        (r"a='C:\users and more \xyz words')", {"a": r"C:\users and more \xyz words"}),
        (
            "a='''two\n\"lines\" 'x' ''', b=\"\"\"\"\"\", c='')",
            {"a": "two\n\"lines\" 'x' ", "b": "", "c": ""},
        ),
        ('a=r"x", b = f"y")', {"a": "x", "b": "y"}),
        ("a=some words, b=10:30, c=x=y)", {"a": "some words", "b": "10:30", "c": "x=y"}),
        ("{1: 2, true: 3})", {"first": {"1": 2, "true": 3}}),
        ("filters:{True:null,None:True}}", {"filters": {"True": None, "None": True}}),
        ("'x', [1], 3, a=4)", {"first": "x", "second": [1], "": 3, "a": 4}),
        ("\n  a=1,\n  b=2\n)", {"a": 1, "b": 2}),
        (
            'city:<|"|>O"s\\lo<|"|>,n:7,on:true,no:None,list:[<|"|>a<|"|>,<|"|><|"|>],of:{x:1}}',
            {"city": 'O"s\\lo', "n": 7, "on": True, "no": None, "list": ["a", ""], "of": {"x": 1}},
        ),
        ('a:<|"|><b> <|"<|"|>}', {"a": '<b> <|"'}),
        ("}", {}),
        (")", {}),
        (" )", {}),
    ],
)
def test_what_models_write_becomes_json(text, value):
    for place in range(len(text)):
        assert convert([text[:place], text[place:]]) == convert([*text])
    output, rest = convert([text])
    assert (json.loads(output), rest) == (value, "")


def test_a_missing_parenthesis_ends_the_arguments():
    assert convert(["a=1]"]) == ('{"a":1}', "]")


@pytest.mark.parametrize("text", ["a='x", "a=[1", "a=1", "a", r"a='\u12", "a='''x''"])
def test_arguments_that_are_cut_off_stay_open(text):
    output, _ = convert([text], finish=True)

    with pytest.raises(ValueError, match=".*"):
        json.loads(output)


@pytest.mark.parametrize("end", [", s", ", se", ", search", "\ns", ",\n  search"])
def test_a_name_that_is_cut_off_is_never_text_even_if_a_tool_begins_like_it(end):
    """It is that of an argument, or of the next call, after a missing parenthesis."""
    output = "Sure.<function_calls>\nwrite(text='a'" + end

    assert collect(parse("olmo-3", [output])).content == "Sure."
