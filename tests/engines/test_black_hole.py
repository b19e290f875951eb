"""A model with two servers, of which one becomes a black hole and comes back at another address of its name."""

import asyncio
import socket

import pytest

from dialects import ask, protocol
from headrace.engines.http import HttpTransport, pool
from headrace.engines.load_balancer import LoadBalancer
from headrace.engines.upstream import UpstreamEngine
from headrace.events import Content
from listening import listen
from raw_server import Server, forever
from scripted_server import Reply, ScriptedServer, stream
from waiting import until_async


@pytest.fixture
def black_hole():
    """An address that does not respond: a listening socket whose backlog of 0 is full."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
    yield full.getsockname()
    for each in (full, *fillers):
        each.close()


async def texts_of(engine):
    events = [event async for events in listen(engine, ask()) for event in events]
    return "".join(event.text for event in events if isinstance(event, Content))


async def test_only_the_first_attempt_waits_and_the_new_address_is_found(black_hole, monkeypatch):
    monkeypatch.setattr(pool, "_CONNECT_TIMEOUT", 0.3)
    addresses = {}

    async def resolve(host, *_, **__):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", addresses[host])]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    with ScriptedServer(Reply(stream("one"))) as lost, ScriptedServer(Reply(stream("two"))) as other:
        places = [("127.0.0.1", int(server.url.split(":")[2].split("/")[0])) for server in (lost, other)]
        addresses |= {"gpu1.test": black_hole, "gpu2.test": places[1]}
        engines = [UpstreamEngine(HttpTransport(f"http://{name}/v1"), protocol("chat")) for name in addresses]
        attempts = []
        engines[0].on_call = attempts.append
        balancer = LoadBalancer(engines, probe_interval=0.05)

        assert [await texts_of(balancer) for _ in range(6)] == ["two"] * 6
        assert len(attempts) == 1
        assert balancer.members[0].is_failing

        addresses["gpu1.test"] = places[0]
        await until_async(lambda: not balancer.members[0].is_failing)
        assert {await texts_of(balancer) for _ in range(4)} == {"one", "two"}
        await balancer.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such option")
async def test_a_connection_whose_server_acknowledges_nothing_ends_in_seconds():
    async with Server(forever) as server:
        opened = await pool._open_socket("127.0.0.1", server.port)
        with opened:
            idle, interval, unacknowledged = (
                opened.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_USER_TIMEOUT)
            )
            assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert 0 < unacknowledged <= 15_000
            assert (idle + interval) * 1000 <= unacknowledged  # Linux looks at it when a probe is due
