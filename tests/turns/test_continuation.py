import msgspec
import pytest

from continuing_engine import ASSISTANT, ContinuingEngine
from headrace.engines import Generation
from headrace.errors import EngineError
from headrace.events import Content, Finish, Progress, Text, TokenUsage
from headrace.turns.continuation import derive_seed, start_continuation
from headrace.wire import decode_request
from listening import Listening

SCRIPT = "one two three four"


def generation(**fields):
    request = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    return Generation(f"q{ASSISTANT}", decode_request(msgspec.json.encode(request)))


async def continued(engine, generation, logged, prompt_tokens=7):
    listening = Listening()
    prompt = Progress(prompt_tokens, prompt_tokens)
    start_continuation(engine, generation, logged, prompt, listening)
    assert await listening.ended is None
    assert [event for event in listening.events if isinstance(event, Progress)] in ([], [prompt])
    return [event for event in listening.events if event != prompt]


def fragments(text):
    return [Text(text[at : at + 2]) for at in range(0, len(text), 2)]


@pytest.mark.parametrize("cut", range(1, len(SCRIPT) // 2 + 1))
async def test_from_every_position_the_rest_is_generated_and_everything_counted(cut):
    events = await continued(ContinuingEngine(SCRIPT), generation(), fragments(SCRIPT)[:cut])

    assert events == [*fragments(SCRIPT)[cut:], Finish("stop", TokenUsage(7, 10))]


async def test_the_prompt_is_counted_without_the_text_so_far_even_if_its_length_is_unknown():
    events = await continued(ContinuingEngine(SCRIPT), generation(), fragments(SCRIPT)[:4], prompt_tokens=0)

    assert events[-1].usage == TokenUsage(7, 10)


@pytest.mark.parametrize(("limit", "before", "more"), [(5, 3, 2), (9, 3, 6), (5, 5, 0), (3, 5, 0)])
async def test_max_tokens_limits_the_complete_answer(limit, before, more):
    engine = ContinuingEngine(SCRIPT)
    events = await continued(engine, generation(max_tokens=limit), fragments(SCRIPT)[:before])
    is_cut = limit < 9

    assert len(events) - 1 == more
    assert events[-1] == Finish("length" if is_cut else "stop", TokenUsage(7, before + more + (not is_cut)))
    assert len(engine.asked) == (more > 0)


@pytest.mark.parametrize("before", [1, 4, 5, 6])
async def test_a_limit_that_the_engine_has_by_itself_counts_from_the_beginning_too(before):
    class Limited(ContinuingEngine):
        def token_limit(self, generation):
            return super().token_limit(generation) or 5

    engine = Limited(SCRIPT)
    events = await continued(engine, generation(), fragments(SCRIPT)[:before])

    assert events[-1] == Finish("length", TokenUsage(7, max(before, 5)))
    assert [asked.request.max_tokens for asked in engine.asked] == [5 - before] * (before < 5)


@pytest.mark.parametrize(("minimum", "left"), [(50, 47), (3, 0), (2, 0)])
async def test_min_tokens_counts_from_the_beginning(minimum, left):
    engine = ContinuingEngine(SCRIPT)
    await continued(engine, generation(min_tokens=minimum), fragments(SCRIPT)[:3])

    assert engine.asked[0].request.extra == {"min_tokens": left}


@pytest.mark.parametrize("stop", ["two", "o t", "e two", "one two three fou", "four"])
@pytest.mark.parametrize("piece", [1, 2, 3])
async def test_a_stop_string_that_begins_in_the_answer_so_far_ends_it(stop, piece):
    """As of a server that does not withhold text that may begin a stop string."""
    at, end = SCRIPT.find(stop), SCRIPT.find(stop) + len(stop)
    cuts = range(at + 1, end)
    for cut in cuts:
        engine = ContinuingEngine(SCRIPT, piece=piece)
        logged = [Text(letter) for letter in SCRIPT[:cut]]
        if piece > 1 and cut % piece:
            continue  # the engine continues at its pieces
        events = await continued(engine, generation(stop=[stop, "never"]), logged)
        text = SCRIPT[:cut] + "".join(event.text for event in events[:-1])

        assert len(text) < end
        assert events[-1].reason == "stop"
        assert events[-1].usage.completion == cut + -(-(end - cut) // piece)
        assert engine.running == 0


async def test_a_stop_string_that_was_completed_before_the_cut_is_not_looked_for_in_the_rest():
    events = await continued(ContinuingEngine(SCRIPT), generation(stop=["xo"]), fragments(SCRIPT)[:3])

    assert len(events) == 7


async def test_an_engine_that_cannot_continue_is_not_started():
    engine = ContinuingEngine(SCRIPT)
    engine.continues = False
    with pytest.raises(EngineError, match="cannot continue a partial answer"):
        await continued(engine, generation(), fragments("one "))

    assert engine.asked == []


async def test_an_answer_that_arrived_parsed_cannot_be_continued_as_text():
    with pytest.raises(EngineError, match="cannot continue"):
        await continued(ContinuingEngine(SCRIPT), generation(), [Content("one")])


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "json_object"}},
        {"tool_choice": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
    ],
)
async def test_structured_output_is_not_continued(fields):
    """A grammar would start from its initial state, not at the position of the text."""
    with pytest.raises(EngineError, match="structured output"):
        await continued(ContinuingEngine(SCRIPT), generation(**fields), fragments("one "))


def test_a_seed_depends_on_the_turn_and_the_position():
    assert derive_seed("a", 3) == derive_seed("a", 3)
    assert len({derive_seed("a", 3), derive_seed("a", 4), derive_seed("b", 3)}) == 3
    assert all(0 <= derive_seed(str(number), 0) < 2**31 for number in range(100))


async def test_a_continuation_that_waits_shows_its_position_and_keeps_the_size_of_the_prompt():
    class Queued(ContinuingEngine):
        async def generate(self, generation):
            yield [Progress(0, 0, queued=2)]
            async for events in super().generate(generation):
                yield events

    listening, prompt = Listening(), Progress(7, 7, (1, 2, 3))
    start_continuation(Queued(SCRIPT), generation(), fragments(SCRIPT)[:4], prompt, listening)
    assert await listening.ended is None
    assert listening.events[:2] == [Progress(7, 7, (1, 2, 3), queued=2), prompt]
