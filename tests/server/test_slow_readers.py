"""A client that stops reading uses no memory besides the log, and loses no event."""

import time
from contextlib import contextmanager

import httpx2
import pytest

from headrace.engines import ScriptedEngine
from replicas import RESUMABLE, replica
from turn_stores import redis_server, store_kind, store_name
from waiting import until
from wire_client import CHAT, HELLO, chunks_of, deltas

__all__ = ["redis_server", "replica", "store_kind", "store_name"]

PIECES = 60_000  # 13 MB of frames: more than the sockets between server and client hold
ANSWER = "word " * PIECES


class Script(list[str]):
    """The answer in pieces; counts those that the engine took."""

    taken = 0

    def __iter__(self):
        for piece in super().__iter__():
            self.taken += 1
            yield piece


@contextmanager
def slow_client(replica, engine, headers):
    """A client that has sent its request and reads nothing yet."""
    url = str(replica(engine).base_url)
    with (
        httpx2.Client(base_url=url, trust_env=False, timeout=60) as client,
        client.stream("POST", CHAT, json={**HELLO, "stream": True}, headers=headers) as response,
    ):
        yield response


def received(response):
    return chunks_of(b"".join(response.iter_raw()))


@pytest.mark.parametrize("store_kind", ["memory"], indirect=True)
def test_events_wait_in_the_log_for_a_slow_client_and_are_merged(replica):
    engine = ScriptedEngine(ANSWER, piece=5)
    with slow_client(replica, engine, RESUMABLE) as response:
        until(lambda: not engine.running)  # it does not wait for readers
        assert engine.running == 0
        chunks = received(response)

    assert "".join(deltas(chunks, "content")) == ANSWER
    assert len(chunks) < PIECES * 0.9


@pytest.mark.parametrize("store_kind", ["memory"], indirect=True)
def test_the_engine_of_a_turn_that_is_not_resumable_waits_for_a_slow_client(replica):
    script = Script(ANSWER[at : at + 5] for at in range(0, len(ANSWER), 5))
    with slow_client(replica, ScriptedEngine(script), {}) as response:
        before = -1
        while script.taken != before:
            before = script.taken
            time.sleep(0.5)
        assert 0 < script.taken < PIECES
        chunks = received(response)

    assert "".join(deltas(chunks, "content")) == ANSWER
