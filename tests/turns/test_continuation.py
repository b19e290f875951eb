import msgspec
import pytest

from continuing_engine import ASSISTANT, ContinuingEngine
from headrace.engines import Generation
from headrace.errors import EngineError
from headrace.events import Content, Finish, Text, TokenUsage
from headrace.turns.continuation import continue_answer, seed_of
from headrace.wire import decode_request

SCRIPT = "one two three four"


def generation(**fields):
    request = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    return Generation(f"q{ASSISTANT}", decode_request(msgspec.json.encode(request)))


async def continued(engine, generation, said, prompt_tokens=7):
    return [
        event async for events in continue_answer(engine, generation, said, prompt_tokens) for event in events
    ]


def pieces(text):
    return [Text(text[at : at + 2]) for at in range(0, len(text), 2)]


@pytest.mark.parametrize("cut", range(1, len(SCRIPT) // 2 + 1))
async def test_from_wherever_it_is_the_rest_is_said_and_everything_counted(cut):
    events = await continued(ContinuingEngine(SCRIPT), generation(), pieces(SCRIPT)[:cut])

    assert events == [*pieces(SCRIPT)[cut:], Finish("stop", TokenUsage(7, 10))]


async def test_the_prompt_is_counted_without_the_text_so_far_even_if_its_length_is_not_known():
    events = await continued(ContinuingEngine(SCRIPT), generation(), pieces(SCRIPT)[:4], prompt_tokens=0)

    assert events[-1].usage == TokenUsage(7, 10)


@pytest.mark.parametrize(("limit", "said", "more"), [(5, 3, 2), (9, 3, 6), (5, 5, 0), (3, 5, 0)])
async def test_max_tokens_is_for_the_whole_answer(limit, said, more):
    engine = ContinuingEngine(SCRIPT)
    events = await continued(engine, generation(max_tokens=limit), pieces(SCRIPT)[:said])
    is_cut = limit < 9

    assert len(events) - 1 == more
    assert events[-1] == Finish("length" if is_cut else "stop", TokenUsage(7, said + more + (not is_cut)))
    assert len(engine.asked) == (more > 0)


async def test_an_engine_that_cannot_go_on_is_not_asked():
    engine = ContinuingEngine(SCRIPT)
    engine.continues = False
    with pytest.raises(EngineError, match="cannot go on from within an answer"):
        await continued(engine, generation(), pieces("one "))

    assert engine.asked == []


async def test_what_another_kind_of_engine_parsed_cannot_be_continued_as_text():
    with pytest.raises(EngineError, match="cannot go on"):
        await continued(ContinuingEngine(SCRIPT), generation(), [Content("one")])


@pytest.mark.parametrize(
    "form",
    [
        {"response_format": {"type": "json_object"}},
        {"tool_choice": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
    ],
)
async def test_an_answer_of_a_prescribed_form_is_not_continued(form):
    """A grammar begins at its beginning, which is not where the text is."""
    with pytest.raises(EngineError, match="prescribed form"):
        await continued(ContinuingEngine(SCRIPT), generation(**form), pieces("one "))


def test_a_seed_depends_on_the_turn_and_the_place():
    assert seed_of("a", 3) == seed_of("a", 3)
    assert len({seed_of("a", 3), seed_of("a", 4), seed_of("b", 3)}) == 3
    assert all(0 <= seed_of(str(number), 0) < 2**31 for number in range(100))
