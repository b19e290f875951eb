"""A reader that knows the pattern of its chunks reads the same as one that decodes every chunk."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects import ask, protocol
from headrace.engines.protocols import chunk_pattern
from headrace.engines.protocols.chunk_pattern import ChunkPattern
from headrace.errors import DecodeError
from headrace.events import Content

TEXTS = st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(
    [
        "\n",
        "\n\n",
        "\ufffd",
        "a\ufffd",
        '"',
        "\\",
        "id",
        "x",
        "choices",
        "content",
        "<think>",
        "</think>",
        "你好",
        "\0",
    ]
)
KINDS = st.sampled_from(["content", "reasoning_content", "reasoning", "arguments"])
EXTRA = st.sampled_from(
    [{}, {"role": "assistant"}, {"content": ""}, {"content": "x"}, {"reasoning_content": None}, {"x": "\n"}]
)
CHUNKS = st.tuples(
    KINDS,
    TEXTS,
    EXTRA,
    st.sampled_from(["a", "b"]),
    st.booleans(),
    st.sampled_from([None, None, None, "stop"]),
)


def encode(kind, text, extra, id, *more):
    ascii_only, finish_reason = more
    delta = {**extra, kind: text}
    if kind == "arguments":
        name = {"name": "f"} if extra else {}
        delta = {"tool_calls": [{"index": 0, "function": {**name, "arguments": text}}]}
    body = {"id": id, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
    return json.dumps(body, ensure_ascii=ascii_only).encode()


def encode_completion(kind, text, extra, id, *more):
    ascii_only, finish_reason = more
    tokens = {"content": None, "reasoning_content": [1], "reasoning": [1, 2], "arguments": []}[kind]
    choice = {"index": 0, "text": text, "finish_reason": finish_reason, "token_ids": tokens, **extra}
    return json.dumps({"id": id, "choices": [choice]}, ensure_ascii=ascii_only).encode()


def read(kind, chunks):
    """What a reader makes of chunks: the events of each, and what it has counted."""
    reader = protocol(kind).reader(ask())
    events = [reader.feed(chunk) for chunk in chunks]
    ending = reader.ending
    return events, ending.completion_tokens, ending.reasoning_tokens, ending.is_last, ending.reason


@pytest.mark.parametrize(("kind", "encoded"), [("chat", encode), ("completions", encode_completion)])
@given(data=st.data())
def test_a_reader_reads_the_same_with_and_without_patterns(kind, encoded, data):
    repeated = st.tuples(CHUNKS, st.lists(TEXTS, max_size=4)).map(
        lambda found: [found[0], *((found[0][0], text, *found[0][2:]) for text in found[1])]
    )
    chunks = [encoded(*chunk) for run in data.draw(st.lists(repeated, max_size=4)) for chunk in run]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk_pattern.ChunkPattern, "learn", lambda *_: None)
        expected = read(kind, chunks)

    assert read(kind, chunks) == expected


def decode(data):
    return json.loads(data)["text"]


def test_a_pattern_is_learned_from_two_chunks_in_a_row():
    pattern = ChunkPattern()
    found = []
    for text in ("a", "b", "c", '\n"é'):
        data = json.dumps({"id": "1", "text": text, "n": None}).encode()
        found.append(pattern.text_of(data))
        if not found[-1]:
            pattern.learn(data, text, decode)

    assert found == ["", "", "c", '\n"é']


def test_a_text_that_is_also_elsewhere_is_not_taken_for_it():
    pattern = ChunkPattern()
    for _ in range(3):
        data = b'{"id":"1","text":"1"}'
        pattern.learn(data, "1", decode)

    assert pattern.text_of(b'{"id":"2","text":"1"}') == ""


@pytest.mark.parametrize(
    "data",
    [
        b'{"text":"a","text":"b","n":1}',
        b'{"text":"a","n":2,"n":1}',
        b'{"text":,"n":1}',
        b'{"text":"a"',
        b'{"text":1,"n":1}',
        b'{"text":"a\xff","n":1}',
        b'{"text":"\\ud800","n":1}',
        b"",
    ],
)
def test_only_one_string_may_be_in_the_place_of_the_text(data):
    pattern = ChunkPattern()
    for text in ("a", "b"):
        pattern.learn(b'{"text":"%b","n":1}' % text.encode(), text, decode)

    assert pattern.text_of(b'{"text":"c","n":1}') == "c"
    assert pattern.text_of(data) == ""


def test_a_chunk_that_does_not_fit_ends_the_pattern():
    pattern = ChunkPattern()
    for text in ("a", "b"):
        pattern.learn(b'{"text":"%b"}' % text.encode(), text, decode)
    pattern.learn(b'{"usage":1}', "", decode)

    assert pattern.text_of(b'{"text":"c"}') == ""


@pytest.mark.parametrize("kind", ["chat", "completions"])
def test_invalid_utf8_is_an_error_in_the_text_of_a_chunk_that_fits(kind):
    encoded = encode if kind == "chat" else encode_completion
    reader = protocol(kind).reader(ask())
    for text in ("a", "b", "c"):
        data = encoded("content", text, {}, "1", False, None)
        reader.feed(data)

    with pytest.raises(DecodeError):
        reader.feed(data.replace(b'"c"', b'"\xff"'))


def test_what_servers_write_for_invalid_utf8_is_no_text():
    chunks = [encode("content", text, {}, "1", False, None) for text in ("a", "b", "c", "\ufffd", "\ufffdd")]
    events, *_ = read("chat", [encode("reasoning_content", "a", {}, "1", False, None), *chunks])

    assert events[3:] == [[Content("c")], [], [Content("d")]]
