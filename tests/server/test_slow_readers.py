"""A client that stops reading uses no memory besides the log, and loses no event."""

import time

import httpx2
import pytest

from headrace.engines import ScriptedEngine
from replicas import RESUMABLE, replica
from turn_stores import redis_server, store_kind, store_name
from wire_client import CHAT, HELLO, chunks_of, deltas

__all__ = ["redis_server", "replica", "store_kind", "store_name"]

PIECES = 60_000  # 13 MB of frames: more than the sockets between server and client hold
ANSWER = "word " * PIECES


@pytest.mark.parametrize("store_kind", ["memory"], indirect=True)
@pytest.mark.parametrize("headers", [{}, RESUMABLE], ids=["volatile", "resumable"])
def test_events_wait_in_the_log_for_a_slow_client_and_are_merged(replica, headers):
    engine = ScriptedEngine(ANSWER, piece=5)
    url = str(replica(engine).base_url)
    with (
        httpx2.Client(base_url=url, trust_env=False, timeout=60) as client,
        client.stream("POST", CHAT, json={**HELLO, "stream": True}, headers=headers) as response,
    ):
        deadline = time.monotonic() + 60
        while engine.running and time.monotonic() < deadline:  # it does not wait for readers
            time.sleep(0.01)
        assert engine.running == 0
        chunks = chunks_of(b"".join(response.iter_raw()))

    assert "".join(deltas(chunks, "content")) == ANSWER
    assert len(chunks) < PIECES * 0.9
