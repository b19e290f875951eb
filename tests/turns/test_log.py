import asyncio

import pytest

from headrace.errors import EngineError, HeadraceError, LimitError, RequestError
from headrace.events import (
    Content,
    Finish,
    Progress,
    Reasoning,
    Text,
    TokenUsage,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
)
from headrace.turns import MemoryLog
from headrace.turns.log import Failure


async def test_a_reader_gets_everything_that_was_said_before_it_came():
    log = MemoryLog()
    log.append([Text("a")])
    log.append([Text("b")])

    assert await log.reader(idle=9).read() == [Text("a"), Text("b")]


async def test_a_waiting_reader_wakes_for_what_is_appended():
    log = MemoryLog()
    reader = log.reader(idle=9)
    reading = asyncio.create_task(reader.read())
    await asyncio.sleep(0)
    log.append([Text("a")])

    assert await reading == [Text("a")]


async def test_several_readers_each_read_everything_at_their_own_pace():
    log = MemoryLog()
    fast, slow = log.reader(idle=9), log.reader(idle=9)
    log.append([Text("a")])
    first = await fast.read()
    log.append([Text("b")])

    assert (first, await fast.read()) == ([Text("a")], [Text("b")])
    assert await slow.read() == [Text("a"), Text("b")]


async def test_what_is_held_is_seen_by_nobody_until_it_is_shown():
    log = MemoryLog()
    reader = log.reader(idle=9)
    log.hold([Text("a"), Text("b"), Finish("stop")])

    assert (list(reader.take()), log.has_ending, log.is_finished) == ([], True, False)
    log.show(2)
    assert await reader.read() == [Text("a"), Text("b")]
    log.show(3)
    assert (await reader.read(), log.is_finished) == ([Finish("stop")], True)


async def test_what_was_held_and_not_shown_can_be_dropped():
    log = MemoryLog()
    log.append([Text("a")])
    log.hold([Text("b")])
    log.drop_held()
    log.append([Text("c")])

    assert await log.reader(idle=9).read() == [Text("a"), Text("c")]


async def test_silence_ends_a_read_with_nothing_again_and_again():
    reader = MemoryLog().reader(idle=0.02)

    assert await reader.read() == []
    assert await reader.read() == []


async def test_progress_is_news_but_not_history():
    log = MemoryLog()
    early = log.reader(idle=9)
    log.append([Progress(1, 4)])

    assert await early.read() == [Progress(1, 4)]
    assert log.events == []


async def test_progress_is_told_although_what_follows_is_held():
    log = MemoryLog()
    reader = log.reader(idle=9)
    log.hold([Progress(1, 4), Text("a")])

    assert await reader.read() == [Progress(1, 4)]


@pytest.mark.parametrize(
    "error",
    [
        EngineError("no"),
        RequestError("too long", code="1261"),
        LimitError("busy", retry_after=7),
        LimitError("busy", retry_after=0),
    ],
)
async def test_a_turn_that_fails_before_its_first_word_raises_what_failed_for_every_reader(error):
    log = MemoryLog()
    log.append([log.ending(error)])

    assert log.is_finished
    for reader in (log.reader(idle=9), log.reader(idle=9)):
        with pytest.raises(HeadraceError, match=error.message) as raised:
            await reader.read()

        assert (raised.value.code, raised.value.status) == (error.code, error.status)
        assert getattr(raised.value, "retry_after", None) == getattr(error, "retry_after", None)


async def test_a_turn_that_fails_later_ends_with_the_usage_so_far():
    log = MemoryLog()
    log.append([Progress(7, 7), Text("a", 2), Text("b")])

    assert log.ending(EngineError("lost")) == Finish(
        "network_error", TokenUsage(prompt=7, completion=3), "lost"
    )


async def test_of_an_answer_that_came_parsed_the_pieces_are_counted():
    log = MemoryLog()
    log.append([Reasoning("a"), Reasoning("b"), Content("c")])
    log.append([ToolCallStart(0, "f"), ToolCallArguments(0, "{}"), ToolCallEnd(0)])

    assert log.finish("network_error").usage == TokenUsage(completion=5, reasoning=2)


async def test_a_failure_says_how_it_is_stored():
    log = MemoryLog()

    assert log.ending(LimitError("busy", retry_after=7)) == Failure("1305", "busy", 429, 7)


async def test_the_end_is_told_once_and_not_before_it_can_be_read():
    told = []
    log = MemoryLog(on_end=lambda: told.append("end"))
    log.hold([Text("a"), Finish("stop")])
    log.show(1)
    assert told == []
    log.show(2)
    log.show(2)

    assert told == ["end"]


async def test_the_last_reader_that_leaves_is_told_of():
    told = []
    log = MemoryLog(on_orphaned=lambda: told.append("deserted"))
    one, two = log.reader(idle=9), log.reader(idle=9)
    one.close()
    one.close()
    assert (told, log.is_orphaned) == ([], False)
    two.close()

    assert (told, log.is_orphaned) == (["deserted"], True)


async def test_a_reader_that_is_closed_while_it_waits_returns_with_nothing():
    log = MemoryLog()
    reader = log.reader(idle=9)
    reading = asyncio.create_task(reader.read())
    await asyncio.sleep(0)
    reader.close()

    assert (await reading, reader.is_closed) == ([], True)
    assert await reader.read() == []
