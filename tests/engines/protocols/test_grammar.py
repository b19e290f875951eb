"""The grammar follows the format: its thinking tags, and how it writes calls."""

import msgspec
import pytest

from headrace.engines.base import Generation
from headrace.engines.protocols.grammar import answer_grammar
from headrace.errors import RequestError
from headrace.formats import FORMATS, Format, Syntax
from headrace.wire import decode_request

INVENTED = Format(name="invented", transitions={}, thinking_tags=("<muse>", "</muse>"), syntax=Syntax())
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def root(format, prompt="", **fields):
    """The first rule of the grammar."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    generation = Generation(prompt, decode_request(msgspec.json.encode(body)))
    return answer_grammar(generation, format).partition("\n")[0]


@pytest.mark.parametrize(
    ("format", "prompt", "thinking"),
    [
        (INVENTED, "", r'( "\n"? <muse> !</muse>* </muse> )? '),
        (INVENTED, "<muse>\n", "!</muse>* </muse> "),
        (INVENTED, "<muse></muse>", ""),
        (msgspec.structs.replace(INVENTED, thinking_tags=None), "", ""),
        (FORMATS["qwen3-coder"], "", ""),
        (None, "", ""),
    ],
)
def test_thinking_may_precede_a_structured_output_if_a_grammar_can_name_its_tags(format, prompt, thinking):
    expected = rf'root ::= {thinking}"\n"{{0,2}} object'

    assert root(format, prompt, response_format={"type": "json_object"}) == expected


def test_a_prompt_inside_the_thinking_counts_more_than_the_request():
    fields = {"response_format": {"type": "json_object"}, "thinking": {"type": "disabled"}}

    assert root(INVENTED, "<muse>", **fields) == 'root ::= !</muse>* </muse> "\\n"{0,2} object'
    assert root(INVENTED, "Hi", **fields) == 'root ::= "\\n"{0,2} object'


@pytest.mark.parametrize("format", [INVENTED, FORMATS["qwen3-coder"], None])
def test_a_call_cannot_be_forced_without_a_syntax_for_it(format):
    with pytest.raises(RequestError, match='supports "auto" and "none" only'):
        root(format, tools=[TOOL], tool_choice="required")
