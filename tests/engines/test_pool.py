"""Several servers for one model."""

import asyncio

import pytest

from dialects import ask
from headrace.engines import ScriptedEngine
from headrace.engines.pool import Pool
from headrace.errors import EngineError, LimitError, RequestError
from headrace.events import Text
from virtual_time import virtual_time

__all__ = ["virtual_time"]

pytestmark = pytest.mark.usefixtures("virtual_time")


class Server(ScriptedEngine):
    """Says its name, or fails as long as it is down."""

    def __init__(self, name, *, down=None, delay=0.0):
        super().__init__(name, piece=1, delay=delay)
        self.down = down
        self.asked = 0
        self.closed = False

    async def generate(self, generation):
        self.asked += 1
        if self.down is not None:
            raise self.down
        async for events in super().generate(generation):
            yield events

    async def check(self):
        if self.down is not None:
            raise self.down

    async def close(self):
        self.closed = True


DEAD = EngineError("it does not answer", code="1221")


async def said(pool):
    return "".join([e.text async for events in pool.generate(ask()) for e in events if isinstance(e, Text)])


async def test_servers_take_turns():
    servers = [Server("a"), Server("b"), Server("c")]
    pool = Pool(servers)

    assert "".join([await said(pool) for _ in range(6)]) == "abcabc"


async def test_the_least_loaded_is_asked():
    busy, free = Server("aaaa", delay=0.05), Server("b")
    pool = Pool([busy, free])
    long = asyncio.create_task(said(pool))
    await asyncio.sleep(0.01)

    assert [await said(pool) for _ in range(3)] == ["b"] * 3
    await long


async def test_a_server_that_does_not_answer_is_passed_over_and_rests():
    servers = [Server("a", down=DEAD), Server("b")]
    pool = Pool(servers)

    assert [await said(pool) for _ in range(4)] == ["b"] * 4
    assert servers[0].asked == 1
    await pool.close()


async def test_a_server_that_answers_a_check_is_asked_again():
    servers = [Server("a", down=DEAD), Server("b")]
    pool = Pool(servers, check_interval=0.01)
    await said(pool)
    servers[0].down = None
    await asyncio.sleep(0.1)

    assert {await said(pool) for _ in range(2)} == {"a", "b"}
    await pool.close()


async def test_a_server_that_has_rested_takes_turns_again_and_need_not_catch_up():
    servers = [Server("a", down=DEAD), Server("b")]
    pool = Pool(servers, check_interval=0.01)
    for _ in range(5):
        await said(pool)
    servers[0].down = None
    await asyncio.sleep(0.1)

    assert "".join([await said(pool) for _ in range(4)]) == "abab"
    await pool.close()


async def test_a_busy_server_rests_for_as_long_as_it_said():
    servers = [Server("a", down=LimitError("busy", retry_after=0.1)), Server("b")]
    pool = Pool(servers, check_interval=0.01)
    first = await said(pool)
    servers[0].down = None
    meanwhile = [await said(pool) for _ in range(3)]
    await asyncio.sleep(0.15)

    assert [first, *meanwhile] == ["b"] * 4
    assert "a" in [await said(pool) for _ in range(2)]


async def test_where_all_fail_the_last_error_is_told_and_each_was_asked_once():
    servers = [Server("a", down=DEAD), Server("b", down=DEAD)]
    pool = Pool(servers)
    with pytest.raises(EngineError, match="does not answer"):
        await said(pool)

    assert [server.asked for server in servers] == [1, 1]
    with pytest.raises(EngineError, match="none"):
        await pool.check()
    await pool.close()


async def test_what_the_caller_did_wrong_is_not_asked_again():
    servers = [Server("a", down=RequestError("bad")), Server("b", down=RequestError("bad"))]
    with pytest.raises(RequestError):
        await said(Pool(servers))

    assert [server.asked for server in servers] == [1, 0]


async def test_nothing_is_asked_again_once_something_was_said():
    servers = [ScriptedEngine(["a", DEAD]), ScriptedEngine("b")]
    pool = Pool(servers)
    heard = []
    with pytest.raises(EngineError):
        async for events in pool.generate(ask()):
            heard += events

    assert heard == [Text("a")]
    await pool.close()


async def test_closing_closes_all_and_stops_the_checks():
    servers = [Server("a", down=DEAD), Server("b")]
    pool = Pool(servers, check_interval=0.01)
    await said(pool)
    await pool.close()

    assert all(server.closed for server in servers)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "checks" and not task.cancelling()]
