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
from headrace.turns.entries import Failure
from log_readers import AwaitableReader


def log_of(*events):
    """A log with published events."""
    log = MemoryLog()
    publish(log, *events)
    return log


def publish(log, *events):
    log.append(events)
    log.publish()


async def test_a_reader_receives_everything_that_was_published_before_it_attached():
    log = log_of(Text("a"))
    publish(log, Text("b"))

    assert await AwaitableReader(log).read() == [Text("a"), Text("b")]


async def test_a_waiting_reader_wakes_up_when_events_are_published():
    log = MemoryLog()
    reader = AwaitableReader(log)
    reading = asyncio.create_task(reader.read())
    await asyncio.sleep(0)
    publish(log, Text("a"))

    assert await reading == [Text("a")]


async def test_several_readers_each_read_everything_at_their_own_pace():
    log = MemoryLog()
    fast, slow = AwaitableReader(log), AwaitableReader(log)
    publish(log, Text("a"))
    first = await fast.read()
    publish(log, Text("b"))

    assert (first, await fast.read()) == ([Text("a")], [Text("b")])
    assert await slow.read() == [Text("a"), Text("b")]


async def test_appended_events_are_readable_once_they_are_published():
    log = MemoryLog()
    reader = AwaitableReader(log)
    log.append([Text("a"), Text("b"), Finish("stop")])

    assert (list(reader._reader.take()), log.has_ending, log.is_finished) == ([], True, False)
    log.publish(2)
    assert await reader.read() == [Text("a"), Text("b")]
    log.publish(3)
    assert (await reader.read(), log.is_finished) == ([Finish("stop")], True)


async def test_unpublished_events_can_be_dropped():
    log = log_of(Text("a"))
    log.append([Text("b")])
    log.drop_unpublished()
    publish(log, Text("c"))

    assert await AwaitableReader(log).read() == [Text("a"), Text("c")]


async def test_progress_is_kept_beside_the_events_and_readers_are_not_called():
    log, calls = MemoryLog(), []
    log.reader(lambda: calls.append("news"))
    publish(log, Progress(1, 4))
    publish(log, Progress(4, 4))

    assert (log.events, log.progress, calls) == ([], Progress(4, 4), [])


@pytest.mark.parametrize(
    "error",
    [
        EngineError("no"),
        RequestError("too long", code="1261"),
        LimitError("busy", retry_after=7),
        LimitError("busy", retry_after=0),
    ],
)
async def test_a_failure_before_the_first_event_is_raised_for_every_reader(error):
    log = MemoryLog()
    publish(log, log.ending(error))

    assert log.is_finished
    for reader in (AwaitableReader(log), AwaitableReader(log)):
        with pytest.raises(HeadraceError, match=error.message) as raised:
            await reader.read()

        assert (raised.value.code, raised.value.status) == (error.code, error.status)
        assert getattr(raised.value, "retry_after", None) == getattr(error, "retry_after", None)


async def test_a_later_failure_ends_the_turn_with_the_usage_so_far():
    log = log_of(Progress(7, 7), Text("a", 2), Text("b"))

    assert log.ending(EngineError("lost")) == Finish(
        "network_error", TokenUsage(prompt=7, completion=3), "lost"
    )


async def test_each_fragment_of_an_answer_that_arrived_parsed_counts_as_a_token():
    log = log_of(Reasoning("a"), Reasoning("b"), Content("c"))
    publish(log, ToolCallStart(0, "f"), ToolCallArguments(0, "{}"), ToolCallEnd(0))

    assert log.finish("network_error").usage == TokenUsage(completion=5, reasoning=2)


async def test_a_failure_keeps_code_status_and_retry_after():
    log = MemoryLog()

    assert log.ending(LimitError("busy", retry_after=7)) == Failure("1305", "busy", 429, 7)


async def test_on_end_is_called_once_when_the_ending_is_readable():
    calls = []
    log = MemoryLog(on_end=lambda: calls.append("end"))
    log.append([Text("a"), Finish("stop")])
    log.publish(1)
    assert calls == []
    log.publish(2)
    log.publish(2)

    assert calls == ["end"]


async def test_on_orphaned_is_called_when_the_last_reader_is_closed():
    calls = []
    log = MemoryLog(on_orphaned=lambda: calls.append("orphaned"))
    one, two = AwaitableReader(log), AwaitableReader(log)
    one.close()
    one.close()
    assert (calls, log.is_orphaned) == ([], False)
    two.close()

    assert (calls, log.is_orphaned) == (["orphaned"], True)


async def test_a_reader_is_called_in_the_call_stack_of_publish():
    log = MemoryLog()
    calls = []
    reader = log.reader(lambda: calls.append(list(reader.take())))
    log.append([Text("a"), Text("b")])
    assert calls == []
    log.publish(1)
    log.publish()

    assert calls == [[Text("a")], [Text("b")]]


async def test_the_backlog_of_a_reader_grows_with_each_event_and_its_text_until_it_is_read():
    log = MemoryLog()
    reader = log.reader()
    publish(log, Text(""))
    of_an_event = reader.backlog
    publish(log, Text("abc"), Content("de"))
    assert reader.backlog == 3 * of_an_event + 5
    reader.take()

    assert of_an_event > 0
    assert reader.backlog == 0


# --- packing


def long_log(count, readers=()):
    log = MemoryLog()
    events = [Text(f" word{number}", 1, (number,)) for number in range(count)]
    attached = [log.reader() for _ in readers]
    for event in events:
        publish(log, event)
        for reader, reads in zip(attached, readers, strict=True):
            if reads:
                reader.take()
    return log, events, attached


@pytest.mark.parametrize("readers", [[], [True], [True, True]])
async def test_events_that_every_reader_has_passed_are_packed_and_stay_what_they_were(readers):
    log, events, _ = long_log(3000, readers)

    assert len(log._events) < 1100
    assert log.count == 3000
    assert log.events == events
    assert await AwaitableReader(log).read() == events
    for start, stop in [(0, 1), (511, 513), (700, 2900), (2999, 3000), (1024, 1536), (5, 5)]:
        assert log.slice(start, stop) == events[start:stop]


async def test_events_that_a_reader_has_not_passed_are_not_packed():
    log, events, (_, slow) = long_log(3000, [True, False])

    assert len(log._events) == 3000
    assert slow.take() == events


async def test_a_packed_log_takes_about_its_text():
    log, events, _ = long_log(20_000)
    text = sum(len(event.text) for event in events)

    assert sum(map(len, log._packed)) < 2 * text


async def test_unpublished_events_are_dropped_from_a_packed_log():
    log, events, _ = long_log(3000)
    log.append([Text("unsaved"), Finish("stop")])
    log.drop_unpublished()

    assert (log.events, log.has_ending) == (events, False)
