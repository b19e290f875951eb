"""Tokenising in pieces: the same tokens, an end when the context is full, and a stop between pieces."""

import asyncio
from itertools import chain, repeat

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from dialects import ask
from headrace.engines import llama, llama_tokens
from headrace.engines.llama import LlamaEngine
from headrace.engines.llama_tokens import _PIECE, _pieces, tokenize
from headrace.errors import EngineError, RequestError
from headrace.events import Finish, Text
from headrace_tiny import model_path
from listening import listen

in_module = pytest.mark.asyncio(loop_scope="module")
PROMPT = "[gMASK]<sop><|user|>\n{}<|assistant|>"
PROSE = "It was the best of times, it was the worst of times.\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine():
    engine = LlamaEngine(model_path(), slots=2, max_waiting=3, max_waiting_per_key=2)
    yield engine
    await engine.close()


@given(st.text("ab \n水", min_size=1), st.integers(1, 5000))
def test_the_pieces_are_the_text(unit, times):
    text = unit * times
    pieces = list(_pieces(text))

    assert "".join(pieces) == text
    assert all(0 < len(piece) <= _PIECE for piece in pieces)


async def tokens_of(engine, prompt, limit=10**9, is_stopped=lambda: False):
    return await asyncio.to_thread(tokenize, engine._socket, prompt, limit, is_stopped)


@in_module
async def test_the_tokens_are_those_of_the_whole_text(engine, monkeypatch):
    text = PROSE * 2000
    pieces = await tokens_of(engine, text)
    monkeypatch.setattr(llama_tokens, "_PIECE", 10**9)

    assert pieces == await tokens_of(engine, text)


@in_module
async def test_a_prompt_ends_when_the_context_is_full(engine):
    with pytest.raises(RequestError, match="4096 tokens") as caught:
        await tokens_of(engine, chain([7, PROSE * 1000], repeat(PROSE)), 4096)

    assert caught.value.code == "1261"


@in_module
async def test_a_stop_is_noticed_between_two_pieces(engine):
    asked = iter([False, False, True])
    tokens = await tokens_of(engine, repeat(PROSE), is_stopped=lambda: next(asked))

    assert tokens == await tokens_of(engine, [PROSE, PROSE])


def test_a_server_that_is_gone_is_an_error(tmp_path):
    with pytest.raises(EngineError, match="cannot tokenise"):
        tokenize(tmp_path / "nothing.sock", "a", 1, lambda: False)


@in_module
async def test_an_answer_is_the_same_with_a_prompt_tokenised_before(engine, monkeypatch):
    answers = []
    for long in (llama.LONG_PROMPT, 0):
        monkeypatch.setattr(llama, "LONG_PROMPT", long)
        events = [
            event
            async for events in listen(engine, ask(PROMPT.format("Write a poem"), max_tokens=30, seed=1))
            for event in events
        ]
        text = "".join(event.text for event in events if isinstance(event, Text))
        answers.append((text, events[-1].reason, events[-1].usage.prompt))

    assert answers[0] == answers[1]


@in_module
async def test_a_prompt_of_too_many_tokens_is_1261_with_the_context(engine):
    for words in (10_000, 100_000):  # by llama.cpp, and before
        with pytest.raises(RequestError, match="4096") as caught:
            await anext(listen(engine, ask("a " * words)))
        assert caught.value.code == "1261"


@pytest.mark.parametrize(("context", "size"), [(1, 256), (256, 256), (257, 512)])
async def test_the_context_is_as_large_as_llama_cpp_makes_it(context, size):
    engine = await asyncio.to_thread(LlamaEngine, model_path(), slots=3, context=context)
    with pytest.raises(RequestError, match=rf"\b{size}\b"):
        await anext(listen(engine, ask("a " * 1000)))
    await engine.close()

    assert engine.context == size


@in_module
async def test_a_bias_must_be_of_a_token_of_the_model(engine):
    for biases in ({"999999": 1}, [[999999, 1]]):
        with pytest.raises(RequestError, match="logit_bias has the token id 999999; the model has ids 0 to"):
            await anext(listen(engine, ask("a", logit_bias=biases)))
    banned = {str(id): -100 for id in range(900)}
    finish = [
        event
        async for events in listen(engine, ask("a", logit_bias=banned, max_tokens=3))
        for event in events
    ]

    assert isinstance(finish[-1], Finish)
