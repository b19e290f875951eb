import pytest

from headrace.events import CANCELLED, Content, Finish, Reasoning, Text, TokenUsage, ToolCallEnd
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.turns import Interpreter

TOOLS = {"f": {"type": "object", "properties": {}}}


def interpret(*said, tools=TOOLS, **options):
    interpreter = Interpreter(OutputParser(FORMATS["glm-4.6"], tools), **options)
    return interpreter.feed(said)


def test_text_becomes_what_it_means():
    assert interpret(Text("<think>a</think>b"), Finish("stop")) == [
        Reasoning("a"),
        Content("b"),
        Finish("stop", TokenUsage(reasoning=0)),
    ]


def test_reasoning_tokens_are_counted_with_their_tags():
    said = [Text(text) for text in ("<think>", "Hm", "m.", "</think>", "Yes", ".")]

    assert interpret(*said, Finish("stop", TokenUsage(completion=6)))[-1].usage.reasoning == 4


def test_tool_calls_is_told_by_the_text_not_by_the_stop_token():
    events = interpret(Text("<tool_call>f</tool_call>"), Finish("stop"))

    assert ToolCallEnd(0) in events
    assert events[-1].reason == "tool_calls"


def test_an_answer_that_was_cut_off_in_a_call_ends_with_length():
    assert interpret(Text("<tool_call>f\n<arg_key>a"), Finish("length"))[-1].reason == "length"


HALF = Text("<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>rm -rf /tm")


def test_a_call_that_the_model_itself_left_open_is_whole():
    events = interpret(HALF, Finish("stop"))

    assert ToolCallEnd(0) in events
    assert events[-1].reason == "tool_calls"


@pytest.mark.parametrize(
    ("reason", "options"), [(CANCELLED, {}), ("stop", {"closes_calls": False})], ids=["caller", "stop string"]
)
def test_a_call_that_the_caller_cut_off_stays_half_and_is_no_call_to_be_made(reason, options):
    events = interpret(HALF, Finish(reason), **options)

    assert ToolCallEnd(0) not in events
    assert events[-1].reason == "stop"


def test_what_the_parser_held_back_leaves_before_the_finish():
    assert interpret(Text("a <tool_c"), Finish("stop"))[1:-1] == [Content("<tool_c")]


def test_events_of_an_engine_that_parses_itself_pass_through():
    assert interpret(Reasoning("a"), Content("b"))[:2] == [Reasoning("a"), Content("b")]
