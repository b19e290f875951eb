"""The laws: they hold for every family, whatever is said and however it is cut."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from answers import FAMILIES
from contract import Contract
from headrace.chunks import ChunkEncoder
from headrace.events import Finish, ToolCallStart
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.wire.completion import fold
from reading import parse, said
from strategies import answers, cut, markers_of, soups

families = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def texts(family):
    """Answers, and what no model should say."""
    return soups(family.format) | answers(family).map(family.write)


@families
@given(data=st.data())
def test_every_cut_gives_the_same_events(family, data):
    text = data.draw(texts(family))
    options = {"tool_stream": data.draw(st.booleans()), "stopped": data.draw(st.booleans())}
    whole = parse(family.format, [text], **options)

    for pieces in (list(text), data.draw(cut(text))):
        assert parse(family.format, pieces, **options) == whole


@families
@given(data=st.data())
def test_what_was_meant_is_what_is_read(family, data):
    answer = data.draw(answers(family))
    result = said(parse(family.format, data.draw(cut(family.write(answer)))))

    assert (result.reasoning, result.content) == (answer.reasoning, answer.content)
    assert result.decoded == [(call.name, call.arguments) for call in answer.calls]
    assert result.ended == list(range(len(answer.calls)))


@families
@given(data=st.data())
def test_the_chunks_of_the_events_fold_to_what_was_meant(family, data):
    answer = data.draw(answers(family))
    events = parse(family.format, data.draw(cut(family.write(answer))))
    encoder = ChunkEncoder("20260313050448e162ecc8207a4c47", 1773349488, "glm-4.6")

    chunks = [encoder.encode(event) for event in [*events, Finish("stop")]]
    message = fold(chunk for chunk in chunks if chunk is not None).choices[0].message
    assert (message.reasoning_content or "", message.content) == (answer.reasoning, answer.content)
    assert [
        (call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()
    ] == [(call.name, call.arguments) for call in answer.calls]


def _decoded(call):
    """A call with its arguments as a value, if they are JSON."""
    name, arguments = call
    try:
        return name, json.loads(arguments)
    except ValueError:
        return call


@families
@given(data=st.data())
def test_whole_calls_say_the_same_as_streamed_ones(family, data):
    text = data.draw(texts(family))

    streamed, whole = (said(parse(family.format, [text], tool_stream=stream)) for stream in (True, False))
    assert (streamed.reasoning, streamed.content) == (whole.reasoning, whole.content)
    assert list(map(_decoded, streamed.calls)) == list(map(_decoded, whole.calls))


@families
@given(data=st.data())
def test_every_stream_keeps_the_contract(family, data):
    text, tool_stream, stopped = (data.draw(drawn) for drawn in (texts(family), st.booleans(), st.booleans()))
    contract = Contract()
    parser = OutputParser(FORMATS[family.format], {"get_time": None}, tool_stream=tool_stream)

    events = [event for piece in data.draw(cut(text)) for event in parser.feed(piece)]
    events += parser.finish(stopped=stopped)
    reason = ("tool_calls" if parser.called_tools else "stop") if stopped else "length"
    assert [wrong for event in [*events, Finish(reason)] for wrong in contract.feed(event)] == []
    assert contract.finish() == []


@families
@given(data=st.data())
def test_without_tools_nothing_is_a_call(family, data):
    text = data.draw(texts(family))

    assert not any(isinstance(event, ToolCallStart) for event in parse(family.format, [text], tools={}))


def _ends_in(text, delimiter):
    return any(text.endswith(delimiter[:size]) for size in range(1, len(delimiter) + 1))


@families
@given(data=st.data())
def test_an_answer_that_was_cut_off_says_a_beginning_of_it(family, data):
    text = family.write(data.draw(answers(family)))
    beginning = text[: data.draw(st.integers(0, len(text)))]
    # A delimiter at the end, or a part of one, may still turn out to be text; a line end, protocol.
    assume(not any(_ends_in(beginning.rstrip(), delimiter) for delimiter in markers_of(family.format)))

    whole, part = (said(parse(family.format, [piece])) for piece in (text, beginning))
    assert whole.reasoning.startswith(part.reasoning.rstrip("\n"))
    # Without a delimiter, a call that was cut off in its first words is text.
    assert whole.content.startswith(part.content.rstrip("\n")) or not family.talks_and_calls
    for (name, arguments), (some_name, some_arguments) in zip(whole.calls, part.calls, strict=False):
        assert some_name == name
        assert arguments.startswith(some_arguments.removesuffix("\\n").rstrip("\n"))
    assert len(part.calls) <= len(whole.calls)


def _has_no_header(text):
    """The words of a header are no text."""
    return "<|channel|>" not in text and "<|start|>" not in text


@families
@given(data=st.data())
def test_no_text_is_lost_outside_of_calls(family, data):
    text = data.draw(soups(family.format).filter(_has_no_header))
    result = said(parse(family.format, [text], tools={}))

    left = iter(text)
    assert all(char in left for char in result.reasoning + result.content), "not said, or not in this order"
    dropped = len(text) - len(result.reasoning + result.content)
    protocol = sum(text.count(delimiter) * len(delimiter) for delimiter in markers_of(family.format))
    space = sum(map(str.isspace, text))
    # After a stop token there is silence, even if a part of another one follows.
    silence = max(map(len, FORMATS[family.format].stops)) if dropped else 0
    assert dropped <= protocol + space + silence


@families
@given(data=st.data())
def test_no_word_is_lost_of_what_the_model_ended_itself(family, data):
    """Not even inside of calls, whatever is wrong with their markup."""
    words = ("一", "二", "三", "四")
    text = "".join(word + data.draw(soups(family.format)) for word in words)
    assume(_has_no_header(text))
    result = repr(said(parse(family.format, [text], stopped=True)))

    assert [word for word in words if word not in result] == []


@given(st.text(max_size=200))
def test_text_without_a_marker_is_the_answer_verbatim(text):
    assume("<" not in text)
    result = said(parse("glm-4.7", ["x</think>", *text]))

    assert (result.reasoning, result.content) == ("x", text.strip(" \t\r\n") and text)


def test_whether_the_model_thinks_is_known_at_every_moment():
    parser = OutputParser(FORMATS["glm-4.7"])

    assert [parser.feed(piece) and parser.is_reasoning for piece in ("hm", "m</think>Hello")] == [True, False]
    assert OutputParser(FORMATS["glm-4.7"]).is_reasoning
    assert not OutputParser(FORMATS["glm-4.7"], thinking=False).is_reasoning


def test_a_parser_needs_no_tools():
    assert said(OutputParser(FORMATS["glm-4.6"]).feed("Hello")).content == "Hello"
