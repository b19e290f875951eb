"""Continued from any position, the embedded model generates the same answer, since the prefix has its token ids."""

import asyncio

import msgspec
import pytest

from headrace.events import Finish, Text
from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.wire import decode_request
from listening import listen

QUESTIONS = [
    ("Who are you?", {}),
    ("What is a 🪆?", {"thinking": {"type": "disabled"}}),
    ("Who are you?", {"frequency_penalty": 1.0, "presence_penalty": 0.5, "repetition_penalty": 1.1}),
]


@pytest.fixture
async def model():
    model = await asyncio.to_thread(load_model, "", LlamaSettings(slots=1))
    yield model
    await model.engine.close()


async def answer(model, generation):
    events = [event async for new in listen(model.engine, generation) for event in new]
    return [event for event in events if isinstance(event, Text)], events[-1]


@pytest.mark.parametrize(("question", "fields"), QUESTIONS)
async def test_every_cut_gives_the_same_answer_and_the_same_count(model, question, fields):
    body = {
        "model": "glm-4.6",
        "messages": [{"role": "user", "content": question}],
        "do_sample": False,
        **fields,
    }
    generation = model.generation(decode_request(msgspec.json.encode(body)))
    generation = msgspec.structs.replace(generation, needs_token_ids=True)
    whole, ending = await answer(model, generation)
    assert isinstance(ending, Finish)

    assert sum(bool(text.ids) for text in whole) >= len(whole) - 1
    for cut in range(1, len(whole), 3):
        prefix = (*whole[:cut],)
        rest, finish = await answer(model, msgspec.structs.replace(generation, prefix=prefix))
        tokens = sum(text.tokens for text in prefix)
        assert "".join(text.text for text in (*prefix, *rest)) == "".join(text.text for text in whole)
        assert finish.usage.completion + tokens == ending.usage.completion
        assert finish.usage.prompt - tokens == ending.usage.prompt
