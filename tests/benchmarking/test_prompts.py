"""Prompts of a file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.benchmarking.prompts import BUILT_IN, NONCE_LENGTH, make_prompt, read_prompts
from headrace.errors import RequestError

TWO = '{"prompt": "a"}\n\n{"messages": [{"role": "system", "content": "b"}, {"role": "user", "content": "c"}]}\n'


@pytest.fixture
def file(tmp_path):
    return tmp_path / "prompts.jsonl"


def test_a_file_has_prompts_and_messages(file):
    file.write_text(TWO)
    prompts = read_prompts(file)

    assert [[message["content"] for message in prompt] for prompt in prompts.prompts] == [["a"], ["b", "c"]]
    assert prompts.name.startswith("2 of a file with the SHA-256 ")


def test_the_nonce_is_before_the_system_text(file):
    file.write_text(TWO)
    first, second = make_prompt(read_prompts(file), "nonce", 1)

    assert (first["content"][NONCE_LENGTH:], second["content"]) == (" b", "c")


def test_other_prompts_have_another_name(file):
    file.write_text(TWO)
    before = read_prompts(file)
    file.write_text(TWO.replace('"a"', '"d"'))

    assert read_prompts(file).name != before.name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no prompt"),
        (b"\n\n", "has no prompt"),
        (b'{"prompt": "a"}\nHello\n', "line 2: JSON is malformed"),
        (b'{"prompt": 1}', r"line 1: Expected `str`, got `int` - at `\$.prompt`"),
        (b'{"prompt": "a", "output_tokens": 3}', "unknown field `output_tokens`"),
        (b'{"messages": [{"role": "tool", "content": "a"}]}', "Invalid enum value 'tool'"),
        (b'{"messages": [{"role": "user", "content": [1]}]}', "Expected `str`, got `array`"),
        (b"{}", "write either a prompt or messages"),
        (b'{"prompt": "a", "messages": [{"role": "user", "content": "a"}]}', "write either a prompt"),
        (b'{"prompt": "\xff"}', "line 1: "),
    ],
)
def test_a_line_that_is_no_prompt_is_named(file, content, message):
    file.write_bytes(content)

    with pytest.raises(RequestError, match=message):
        read_prompts(file)


def test_a_missing_file_is_named(file):
    with pytest.raises(RequestError, match="cannot read --prompts .*no such file"):
        read_prompts(file)


@given(st.text(), st.integers(0, 1000), st.integers(0, 1000))
def test_only_warm_prompts_have_the_same_beginning(nonce, first, second):
    cold, warm = (
        {
            make_prompt(BUILT_IN, nonce, number, is_warm=is_warm)[0]["content"][:NONCE_LENGTH]
            for number in (first, second)
        }
        for is_warm in (False, True)
    )

    assert len(cold) == len({first, second})
    assert len(warm) == 1
