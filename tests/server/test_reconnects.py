"""When the clients of streams come back after the end of their server."""

import random

from headrace.engines import ScriptedEngine
from headrace.server.reconnects import Reconnects
from headrace.sse import SseDecoder
from replicas import RESUMABLE, replica
from turn_stores import memory, redis_server, store_kind, store_name
from wire_client import CHAT, HELLO, events_of

__all__ = ["redis_server", "replica", "store_kind", "store_name"]


def delays(streams):
    """The ms that so many clients are to wait, sorted."""
    reconnects = Reconnects()
    reconnects.streams = streams
    found = []
    for _ in range(streams):
        decoder = SseDecoder()
        decoder.feed(reconnects.encode() + b"\n")
        found.append(decoder.retry_ms)
    return sorted(found)


def test_a_thousand_clients_come_back_over_three_seconds_and_a_few_at_once():
    random.seed(1)
    waits = delays(1000)

    assert waits[0] < 100
    assert 2900 < waits[-1] <= 3000
    assert max(sum(at <= wait < at + 100 for wait in waits) for at in range(0, 3000, 100)) < 60
    assert delays(1)[-1] <= 3
    assert delays(100_000)[-1] <= 10_000


@memory
def test_only_a_client_that_would_resume_learns_when_and_in_no_frame_of_its_own(replica):
    client = replica(ScriptedEngine("Hi"))
    stream = {**HELLO, "stream": True}
    resumable = client.post(CHAT, json=stream, headers=RESUMABLE).content
    named = client.post(CHAT, json={**stream, "request_id": "r"}).content  # numbered, but by an official SDK
    turn = events_of(resumable)

    assert resumable.startswith(b"retry: ")
    assert b"retry: " not in named
    assert all(event.data for event in turn)
    rest = client.get(f"{CHAT}/r", headers={"last-event-id": "1"}).content
    assert rest.startswith(b"retry: ")
