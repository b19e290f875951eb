"""Parsing begins where the rendered prompt ends, whatever the request asked for."""

import pytest

from headrace.formats import FORMATS, State
from headrace.parsing.initial_state import initial_state
from reading import collect, parse

TAGGED = sorted({format.name for format in FORMATS.values() if format.thinking_tags})
formats = pytest.mark.parametrize("name", TAGGED)
switches = pytest.mark.parametrize("thinking", [True, False])


def read(name, prompt, text, *, thinking):
    result = collect(parse(name, list(text), prompt=prompt, thinking=thinking))
    return result.reasoning, result.content


@formats
@switches
def test_an_output_begins_inside_a_thinking_that_the_prompt_has_opened(name, thinking):
    opening, closing = FORMATS[name].thinking_tags
    text = f"17*23 = 391{closing}391"

    for end in ("", "\n"):
        prompt = f"Hi{closing}{opening}{end}"
        assert read(name, prompt, text, thinking=thinking) == ("17*23 = 391", "391")


@formats
@switches
def test_an_output_is_the_answer_if_the_prompt_has_not_opened_the_thinking(name, thinking):
    opening, closing = FORMATS[name].thinking_tags

    for prompt in (f"{opening}hm{closing}<tool_response>rain</tool_response>", f"Hi{opening}\n{closing}\n\n"):
        assert read(name, prompt, "It rains in Rome.", thinking=thinking) == ("", "It rains in Rome.")


@formats
@switches
def test_an_output_that_begins_with_the_tag_is_thinking(name, thinking):
    opening, closing = FORMATS[name].thinking_tags

    for prompt in ("Hi", f"Hi{closing}", f"Hi{opening}"):
        assert read(name, prompt, f"{opening}hm{closing}Hello", thinking=thinking) == ("hm", "Hello")


@formats
def test_a_tag_after_the_thinking_is_text(name):
    opening, closing = FORMATS[name].thinking_tags

    assert read(name, opening, f"hm{closing}{opening} is the tag", thinking=True) == (
        "hm",
        f"{opening} is the tag",
    )


@pytest.mark.parametrize(
    ("name", "prompt", "thinking", "state"),
    [
        ("glm-4.7", "", True, State.THINKING),
        ("glm-4.7", "", False, State.OPEN),
        ("glm-5.3", "", False, State.THINKING),
        ("glm-4.6", "", True, State.START),
        ("gpt-oss", "<|start|>assistant", True, State.START),
        ("glm-4.6", "Hi", False, State.OPEN),
        ("glm-4.6", "Hi<think></think>", True, State.OPEN),
    ],
)
def test_a_prompt_that_says_nothing_leaves_it_to_the_request_and_the_family(name, prompt, thinking, state):
    assert initial_state(FORMATS[name], prompt, thinking=thinking) is state
