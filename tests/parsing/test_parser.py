"""The properties of every family, for any output and any split of it."""

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from contract import Contract
from families import FAMILIES
from headrace.chunks import ChunkEncoder
from headrace.events import Finish, ToolCallStart
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.wire.completion import fold
from reading import collect, parse
from strategies import answers, delimiters_of, soups, splits

_MOST_EXAMPLES = 1000  # for one of fifty families: ten thousand for each would take eight hours


def families(law):
    """Test a law for each family."""
    limited = settings(max_examples=min(settings().max_examples, _MOST_EXAMPLES))(law)
    return pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)(limited)


def test_every_table_has_a_writer():
    covered = [FORMATS[family.format].transitions for family in FAMILIES.values()]

    assert [format.name for format in FORMATS.values() if format.transitions not in covered] == []


def texts(family):
    """Outputs of answers, and outputs that no model should write."""
    return soups(family.format) | answers(family).map(family.write)


@families
@given(data=st.data())
def test_every_split_gives_the_same_events(family, data):
    text = data.draw(texts(family))
    options = {"tool_stream": data.draw(st.booleans()), "stopped": data.draw(st.booleans())}
    events = parse(family.format, [text], **options)

    for parts in (list(text), data.draw(splits(text))):
        assert parse(family.format, parts, **options) == events


@families
@given(data=st.data())
def test_the_parser_inverts_the_writer(family, data):
    answer = data.draw(answers(family))
    result = collect(parse(family.format, data.draw(splits(family.write(answer)))))

    assert (result.reasoning, result.content) == (answer.reasoning, answer.content)
    assert result.decoded == [(call.name, call.arguments) for call in answer.calls]
    assert result.ended == list(range(len(answer.calls)))


@families
@given(data=st.data())
def test_the_chunks_of_an_answer_fold_to_it(family, data):
    answer = data.draw(answers(family))
    events = parse(family.format, data.draw(splits(family.write(answer))))
    encoder = ChunkEncoder("20260313050448e162ecc8207a4c47", 1773349488, "glm-4.6")

    chunks = [encoder.encode(event) for event in [*events, Finish("stop")]]
    message = fold(chunk for chunk in chunks if chunk is not None).choices[0].message
    assert (message.reasoning_content or "", message.content) == (answer.reasoning, answer.content)
    assert [
        (call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()
    ] == [(call.name, call.arguments) for call in answer.calls]


def _decoded(call):
    """Decode the arguments of a call, if they are JSON."""
    name, arguments = call
    try:
        return name, json.loads(arguments)
    except ValueError:
        return call


@families
@given(data=st.data())
def test_buffered_calls_equal_streamed_ones_but_for_one_that_is_cut_off(family, data):
    text = data.draw(texts(family))

    streamed, buffered = (
        collect(parse(family.format, [text], tool_stream=stream)) for stream in (True, False)
    )
    assert (streamed.reasoning, streamed.content) == (buffered.reasoning, buffered.content)
    last = len(streamed.calls) - 1
    emitted = streamed.calls if last in streamed.ended else streamed.calls[:-1]
    assert list(map(_decoded, emitted)) == list(map(_decoded, buffered.calls))


@families
@given(data=st.data())
def test_every_stream_fulfils_the_contract(family, data):
    text, tool_stream, stopped = (data.draw(drawn) for drawn in (texts(family), st.booleans(), st.booleans()))
    contract = Contract()
    parser = OutputParser(FORMATS[family.format], {"get_time": None}, tool_stream=tool_stream)

    events = [event for part in data.draw(splits(text)) for event in parser.feed(part)]
    events += parser.finish(stopped=stopped)
    reason = ("tool_calls" if parser.called_tools else "stop") if stopped else "length"
    assert [wrong for event in [*events, Finish(reason)] for wrong in contract.feed(event)] == []
    assert contract.finish() == []


@families
@given(data=st.data())
def test_without_tools_there_are_no_calls(family, data):
    text = data.draw(texts(family))

    assert not any(isinstance(event, ToolCallStart) for event in parse(family.format, [text], tools={}))


def _ends_in(text, delimiter):
    return any(text.endswith(delimiter[:size]) for size in range(1, len(delimiter) + 1))


@families
@given(data=st.data())
def test_an_answer_that_is_cut_off_gives_a_beginning_of_it(family, data):
    text = family.write(data.draw(answers(family)))
    beginning = text[: data.draw(st.integers(0, len(text)))]
    # A delimiter at the end, or a part of one, may still turn out to be text, and a line end markup.
    while any(_ends_in(beginning.rstrip(), delimiter) for delimiter in delimiters_of(family.format)):
        beginning = beginning[:-1]

    full, part = (collect(parse(family.format, [output])) for output in (text, beginning))
    assert full.reasoning.startswith(part.reasoning.rstrip("\n"))
    # Without a delimiter before it, a call that is cut off in its name is text.
    begins_with_name = not family.mixes or (full.calls and text.startswith(full.calls[0][0]))
    cut_off = part.content.removeprefix(full.content).strip()
    is_name = any(name.startswith(cut_off) for name, _ in full.calls)
    assert full.content.startswith(part.content.rstrip("\n")) or begins_with_name or is_name
    for (name, arguments), (some_name, some_arguments) in zip(full.calls, part.calls, strict=False):
        assert some_name == name
        assert arguments.startswith(some_arguments.removesuffix("\\n").rstrip("\n"))
    assert len(part.calls) <= len(full.calls)


def _has_no_header(text):
    """The words of a header are dropped."""
    return "<|channel|>" not in text and "<|start|>" not in text


@families
@given(data=st.data())
def test_no_text_is_lost_outside_of_calls(family, data):
    text = data.draw(soups(family.format).filter(_has_no_header))
    result = collect(parse(family.format, [text], tools={}))

    left = iter(text)
    assert all(char in left for char in result.reasoning + result.content), "invented or reordered text"
    dropped = len(text) - len(result.reasoning + result.content)
    markup = sum(text.count(delimiter) * len(delimiter) for delimiter in delimiters_of(family.format))
    space = sum(map(str.isspace, text))
    # Text after a stop token is dropped, even the beginning of another one.
    after_stop = max(map(len, FORMATS[family.format].stop_tokens)) if dropped else 0
    assert dropped <= markup + space + after_stop


@families
@given(data=st.data())
def test_no_text_is_lost_of_an_output_that_the_model_ended(family, data):
    """Not even inside calls, however broken their markup."""
    words = ("一", "二", "三", "四")
    text = "".join(word + data.draw(soups(family.format).filter(_has_no_header)) for word in words)
    assume(_has_no_header(text))
    result = repr(collect(parse(family.format, [text], stopped=True)))

    assert [word for word in words if word not in result] == []


@given(st.text(max_size=200))
def test_text_without_delimiters_is_the_answer_verbatim(text):
    assume("<" not in text)
    result = collect(parse("glm-4.7", ["x</think>", *text]))

    assert (result.reasoning, result.content) == ("x", text.strip(" \t\r\n") and text)


def test_is_reasoning_is_true_while_the_model_thinks():
    parser = OutputParser(FORMATS["glm-4.7"])

    assert [parser.feed(text) and parser.is_reasoning for text in ("hm", "m</think>Hello")] == [True, False]
    assert OutputParser(FORMATS["glm-4.7"]).is_reasoning
    assert not OutputParser(FORMATS["glm-4.7"], thinking=False).is_reasoning


def test_tools_are_optional():
    assert collect(OutputParser(FORMATS["glm-4.6"]).feed("Hello")).content == "Hello"
