import pytest

from headrace.events import CANCELLED, Content, Finish, Reasoning, Text, TokenUsage, ToolCallEnd
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.turns import Interpreter
from headrace.turns.interpreter import interpret_finish

TOOLS = {"f": {"type": "object", "properties": {}}}


def interpret(*logged, tools=TOOLS, **options):
    interpreter = Interpreter(lambda: OutputParser(FORMATS["glm-4.6"], tools), **options)
    return interpreter.feed(logged)


def test_text_is_replaced_by_the_parsed_events():
    assert interpret(Text("<think>a</think>b"), Finish("stop")) == [
        Reasoning("a"),
        Content("b"),
        Finish("stop", TokenUsage(reasoning=0)),
    ]


def test_reasoning_tokens_are_counted_with_their_tags():
    texts = [Text(text) for text in ("<think>", "Hm", "m.", "</think>", "Yes", ".")]

    assert interpret(*texts, Finish("stop", TokenUsage(completion=6)))[-1].usage.reasoning == 4


def test_finish_reason_tool_calls_is_derived_from_the_text():
    events = interpret(Text("<tool_call>f</tool_call>"), Finish("stop"))

    assert ToolCallEnd(0) in events
    assert events[-1].reason == "tool_calls"


def test_an_answer_truncated_within_a_call_ends_with_length():
    assert interpret(Text("<tool_call>f\n<arg_key>a"), Finish("length"))[-1].reason == "length"


HALF = Text("<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>rm -rf /tm")


def test_a_call_that_the_model_left_open_is_complete():
    events = interpret(HALF, Finish("stop"))

    assert ToolCallEnd(0) in events
    assert events[-1].reason == "tool_calls"


@pytest.mark.parametrize(
    ("reason", "options"), [(CANCELLED, {}), ("stop", {"closes_calls": False})], ids=["caller", "stop string"]
)
def test_a_call_truncated_by_the_caller_stays_incomplete(reason, options):
    events = interpret(HALF, Finish(reason), **options)

    assert ToolCallEnd(0) not in events
    assert events[-1].reason == "stop"


def test_text_held_back_by_the_parser_precedes_the_finish():
    assert interpret(Text("a <tool_c"), Finish("stop"))[1:-1] == [Content("<tool_c")]


def test_parsed_events_pass_through():
    assert interpret(Reasoning("a"), Content("b"))[:2] == [Reasoning("a"), Content("b")]


def new_interpreter():
    return Interpreter(lambda: OutputParser(FORMATS["glm-4.6"], TOOLS))


WORDS = [" word"] * 200
CALL = ["<tool_call>", "f", "\n", "</tool_call>"]


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["Hi", " there."],
        ["<think>", *WORDS, "</think>", *WORDS],
        ["<think>", *WORDS, "</think>\n", *WORDS, *CALL],
        ["<think>", *WORDS],
        [*WORDS, "<think>", "</think>", *WORDS, "<think>", *WORDS, "</think>", *WORDS],
        ["<think>", *[" a\n", "<", "b", "\n\n"] * 99, "</th", "ink>", *["\n", " <", "think"] * 99],
        [*WORDS[:63], "<thi", "nk>", *WORDS, "</", "think", ">", *CALL, *CALL],
    ],
)
@pytest.mark.parametrize("reason", ["stop", "length", CANCELLED])
@pytest.mark.parametrize("reasoning", [0, 3])
def test_the_finish_of_a_complete_log_is_that_of_its_readers(texts, reason, reasoning):
    finish = Finish(reason, TokenUsage(7, 9, 0, reasoning), "error")
    log = [*(Text(text, 1 + index % 2) for index, text in enumerate(texts)), finish]

    assert interpret_finish(log, new_interpreter) == new_interpreter().feed(log)[-1]


def test_the_finish_of_a_log_that_arrived_parsed_is_unchanged():
    log = [Reasoning("a"), Content("b"), Finish("tool_calls", TokenUsage(1, 2, 0, 1))]

    assert interpret_finish(log, new_interpreter) == log[-1]


@pytest.mark.interpreted
def test_a_long_log_is_interpreted_in_few_parses():
    """Two for each run of plain text, and one for each event near markup."""
    parses = []

    class Counting(OutputParser):
        def feed(self, text):
            parses.append(text)
            return super().feed(text)

    log = [
        Text("<think>"),
        *[Text(" word")] * 5000,
        Text("</think>"),
        *[Text(" word")] * 5000,
        Finish("stop"),
    ]
    interpret_finish(log, lambda: Interpreter(lambda: Counting(FORMATS["glm-4.6"], TOOLS)))

    assert len(parses) < len(log) / 15
