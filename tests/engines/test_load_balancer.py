"""Several engines for one model."""

import asyncio

import pytest

from dialects import ask
from headrace.engines import ScriptedEngine
from headrace.engines.load_balancer import LoadBalancer
from headrace.errors import EngineError, LimitError, RequestError
from headrace.events import Text
from listening import listen
from virtual_time import virtual_time

__all__ = ["virtual_time"]

pytestmark = pytest.mark.usefixtures("virtual_time")


class Server(ScriptedEngine):
    """An engine that emits its name, or fails while it is down."""

    def __init__(self, name, *, down=None, delay=0.0):
        super().__init__(name, piece=1, delay=delay)
        self.down = down
        self.requests = 0
        self.closed = False

    async def _play(self, generation):
        self.requests += 1
        if self.down is not None:
            raise self.down
        async for events in super()._play(generation):
            yield events

    async def check(self):
        if self.down is not None:
            raise self.down

    async def close(self):
        self.closed = True


UNREACHABLE = EngineError("unreachable", code="1221")


async def text_of(balancer):
    return "".join(
        [e.text async for events in listen(balancer, ask()) for e in events if isinstance(e, Text)]
    )


async def test_equal_servers_take_turns():
    servers = [Server("a"), Server("b"), Server("c")]
    balancer = LoadBalancer(servers)

    assert "".join([await text_of(balancer) for _ in range(6)]) == "abcabc"


async def test_the_least_loaded_engine_generates():
    busy, free = Server("aaaa", delay=0.05), Server("b")
    balancer = LoadBalancer([busy, free])
    long = asyncio.create_task(text_of(balancer))
    await asyncio.sleep(0.01)

    assert [await text_of(balancer) for _ in range(3)] == ["b"] * 3
    await long


async def test_an_unreachable_server_is_skipped_and_has_a_cooldown():
    servers = [Server("a", down=UNREACHABLE), Server("b")]
    balancer = LoadBalancer(servers)

    assert [await text_of(balancer) for _ in range(4)] == ["b"] * 4
    assert servers[0].requests == 1
    await balancer.close()


async def test_a_successful_probe_ends_the_cooldown():
    servers = [Server("a", down=UNREACHABLE), Server("b")]
    balancer = LoadBalancer(servers, probe_interval=0.01)
    await text_of(balancer)
    servers[0].down = None
    await asyncio.sleep(0.1)

    assert {await text_of(balancer) for _ in range(2)} == {"a", "b"}
    await balancer.close()


async def test_after_a_cooldown_the_round_robin_continues_without_catching_up():
    servers = [Server("a", down=UNREACHABLE), Server("b")]
    balancer = LoadBalancer(servers, probe_interval=0.01)
    for _ in range(5):
        await text_of(balancer)
    servers[0].down = None
    await asyncio.sleep(0.1)

    assert "".join([await text_of(balancer) for _ in range(4)]) == "abab"
    await balancer.close()


async def test_the_cooldown_of_a_busy_server_is_its_retry_after():
    servers = [Server("a", down=LimitError("busy", retry_after=0.1)), Server("b")]
    balancer = LoadBalancer(servers, probe_interval=0.01)
    first = await text_of(balancer)
    servers[0].down = None
    meanwhile = [await text_of(balancer) for _ in range(3)]
    await asyncio.sleep(0.15)

    assert [first, *meanwhile] == ["b"] * 4
    assert "a" in [await text_of(balancer) for _ in range(2)]


async def test_if_all_fail_the_last_error_is_raised_after_one_attempt_each():
    servers = [Server("a", down=UNREACHABLE), Server("b", down=UNREACHABLE)]
    balancer = LoadBalancer(servers)
    with pytest.raises(EngineError, match="unreachable"):
        await text_of(balancer)

    assert [server.requests for server in servers] == [1, 1]
    with pytest.raises(EngineError, match="none"):
        await balancer.check()
    await balancer.close()


async def test_a_request_error_is_not_retried():
    servers = [Server("a", down=RequestError("bad")), Server("b", down=RequestError("bad"))]
    with pytest.raises(RequestError):
        await text_of(LoadBalancer(servers))

    assert [server.requests for server in servers] == [1, 0]


async def test_a_defect_of_the_next_server_ends_the_answer():
    class Defective(Server):
        def start(self, generation, listener):
            raise ZeroDivisionError

    balancer = LoadBalancer([Server("a", down=UNREACHABLE), Defective("b")])
    with pytest.raises(EngineError, match="internal server error"):
        await text_of(balancer)
    await balancer.close()


async def test_there_is_no_retry_after_the_first_event():
    servers = [ScriptedEngine(["a", UNREACHABLE]), ScriptedEngine("b")]
    balancer = LoadBalancer(servers)
    received = []
    with pytest.raises(EngineError):
        async for events in listen(balancer, ask()):
            received += events

    assert received == [Text("a")]
    await balancer.close()


async def test_closing_closes_all_engines_and_stops_the_probes():
    servers = [Server("a", down=UNREACHABLE), Server("b")]
    balancer = LoadBalancer(servers, probe_interval=0.01)
    await text_of(balancer)
    await balancer.close()

    assert all(server.closed for server in servers)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "probes" and not task.cancelling()]
