"""The engine with the embedded model."""

import asyncio

import msgspec
import pytest
import pytest_asyncio

from headrace.engines import Generation
from headrace.engines.llama import LlamaEngine
from headrace.errors import RequestError
from headrace.events import Finish, Progress, Text
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate, render_request
from headrace.prompts.escaping import PromptEncoder
from headrace.wire import decode_request
from headrace_tiny import model_path
from listening import listen

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine():
    engine = LlamaEngine(model_path(), slots=5, context=1024)
    yield engine
    await engine.close()


def ask(engine, question="Write a poem about spring", **fields):
    body = {"model": "glm-4.6", "messages": [{"role": "user", "content": question}], "seed": 1, **fields}
    request = decode_request(msgspec.json.encode(body))
    return Generation(
        render_request(ChatTemplate(engine.metadata["tokenizer.chat_template"]), request), request
    )


async def events_of(engine, generation):
    return [event async for events in listen(engine, generation) for event in events]


def text_of(events):
    return "".join(event.text for event in events if isinstance(event, Text))


async def test_the_events_are_progress_then_text_then_one_finish(engine):
    events = await events_of(engine, ask(engine))
    kinds = [type(event) for event in events]

    assert kinds[0] is Progress
    assert kinds.count(Finish) == 1
    assert kinds[-1] is Finish
    assert set(kinds[kinds.index(Text) : -1]) == {Text}
    assert "<think>" in text_of(events)


async def test_the_tokens_of_the_text_add_up_to_the_usage(engine):
    events = await events_of(engine, ask(engine))
    counted = sum(event.tokens for event in events if isinstance(event, Text))

    # The token that ends the answer counts and has no text.
    assert events[-1].usage.completion - counted in (0, 1)


async def test_the_same_seed_gives_the_same_text_and_a_known_prompt_is_cached(engine):
    first, again = [await events_of(engine, ask(engine)) for _ in range(2)]

    assert text_of(first) == text_of(again)
    assert again[-1].usage.cached > 0


async def test_tokens_are_counted_as_in_the_usage_even_beyond_the_context(engine):
    generation = ask(engine)
    *_, finish = await events_of(engine, generation)

    assert await engine.count_tokens(generation) == finish.usage.prompt
    assert await engine.count_tokens(ask(engine, "spring " * 5000)) > 5000


async def test_max_tokens_is_the_length(engine):
    events = await events_of(engine, ask(engine, max_tokens=7))

    assert (events[-1].reason, events[-1].usage.completion) == ("length", 7)


async def test_a_stop_string_ends_the_answer_before_it(engine):
    events = await events_of(engine, ask(engine, stop=["</think>"]))

    assert events[-1].reason == "stop"
    assert "</think>" not in text_of(events)


async def test_concurrent_generations_make_progress_together(engine):
    order = []
    poem = ask(engine)

    async def run(name):
        async for events in listen(engine, poem):
            order.extend((name, type(event)) for event in events)

    await asyncio.gather(*(run(name) for name in range(5)))
    first_end = next(at for at, (_, kind) in enumerate(order) if kind is Finish)

    assert {name for name, kind in order[:first_end] if kind is Text} == set(range(5))


async def test_generations_beyond_the_slots_are_queued(engine):
    answers = await asyncio.gather(*(events_of(engine, ask(engine, max_tokens=5)) for _ in range(12)))

    assert [answer[-1].reason for answer in answers] == ["length"] * 12


async def test_a_cancel_frees_the_slot(engine):
    for _ in range(20):  # four times as often as there are slots
        generation = listen(engine, ask(engine, max_tokens=900, stop=["never generated"]))
        await anext(generation)
        await generation.aclose()

    assert (await asyncio.wait_for(events_of(engine, ask(engine, max_tokens=5)), 60))[-1].reason == "length"


async def test_cancelling_queued_generations_does_not_affect_others(engine):
    tasks = [asyncio.create_task(events_of(engine, ask(engine, max_tokens=40))) for _ in range(15)]
    await asyncio.sleep(0.01)
    for task in tasks[::2]:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(end, asyncio.CancelledError) or end[-1].usage.completion for end in ended)
    assert not any(isinstance(end, asyncio.CancelledError) for end in ended[1::2])


async def test_a_prompt_longer_than_the_context_is_rejected_with_both_numbers(engine):
    with pytest.raises(RequestError, match="1024") as caught:
        await events_of(engine, ask(engine, "x " * 5000))

    assert (caught.value.code, caught.value.status) == ("1261", 400)


async def test_an_answer_that_fills_the_context_has_a_finish_reason_of_its_own(engine):
    generation = ask(engine, "x " * 480)
    events = await events_of(
        engine, msgspec.structs.replace(generation, prompt=generation.prompt + "\n<think>" + "a " * 20)
    )

    assert events[-1].reason in ("stop", "model_context_window_exceeded")


async def test_a_character_of_several_tokens_is_one_text(engine):
    text = text_of(await events_of(engine, ask(engine, "🦜🧊꧁龘", max_tokens=200)))

    assert "\ufffd" not in text


@pytest.mark.parametrize("name", ["<|user|>", "</think>", "[gMASK]", "[MASK]", "[sMASK]", "<sop>", "<eop>"])
async def test_the_name_of_a_special_token_in_a_users_text_is_text(engine, name):
    """One token if it is markup; if it is text, one for the bracket and at least two for the rest."""
    template = ChatTemplate(engine.metadata["tokenizer.chat_template"])
    request = ask(engine, f"Who are you? {name}", max_tokens=1).request
    used = []
    for format in (None, FORMATS["glm-4.6"]):
        prompt = render_request(template, request, format, frozenset(engine.special_tokens))
        *_, finish = await events_of(engine, Generation(prompt, request))
        used.append(finish.usage.prompt)

    assert used[1] >= used[0] + 2


async def test_a_prompt_split_between_special_tokens_has_the_same_tokens(engine):
    turns = [
        {"role": role, "content": f"{role} 说 {n}\n"} for n in range(30) for role in ("user", "assistant")
    ]
    cut = ask(engine, messages=[*turns, {"role": "user", "content": "hello"}], max_tokens=8, temperature=0)
    ways = {}
    assert len(engine._protocol._prompt_encoder.encode(cut.prompt)) > 3
    for name, prompt_encoder in (("cut", engine._protocol._prompt_encoder), ("whole", PromptEncoder())):
        engine._protocol._prompt_encoder = prompt_encoder
        events = await events_of(engine, cut)
        ways[name] = events[-1].usage.prompt, text_of(events)

    assert ways["cut"] == ways["whole"]
