"""Readers that are ahead of the log: because it is behind, or because the store has lost its end."""

import asyncio
import threading

import msgspec
import pytest

from continuing_engine import ContinuingEngine
from headrace.events import Finish, Text
from headrace.sse import DONE
from headrace.turns import TurnSettings, open_store
from headrace.turns.store import LOST
from headrace.turns.takeover import ordinal_of
from headrace.wire import decode_request, encode_request
from replicas import content, events_after, ids, replica
from turn_stores import append, header, redis_server, shared, store_kind, store_name
from wire_client import CHAT, HELLO, events_of

__all__ = ["redis_server", "replica", "store_kind", "store_name"]

SCRIPT = " ".join(str(number) for number in range(10, 40))
PIECES = [Text(SCRIPT[at : at + 3]) for at in range(0, len(SCRIPT), 3)]
REQUEST = encode_request(decode_request(msgspec.json.encode({**HELLO, "stream": True})))
LEASE = 0.3


@pytest.fixture
def producer(store_name):
    """Another process, which has saved eight events of a turn; `heartbeat` shows that it is alive."""
    with asyncio.Runner() as runner:
        store = open_store(TurnSettings(store=store_name, lease=LEASE))
        runner.run(store.create(header("t1", owner=""), REQUEST))
        runner.run(append(store, "t1", (1, 0), PIECES[:8]))
        yield store, runner
        runner.run(store.close())


def get(client, after):
    return client.get(f"{CHAT}/t1", headers={"last-event-id": str(after)})


@shared
def test_a_replica_that_is_behind_a_reader_catches_up(producer, replica):
    store, runner = producer
    client = replica(ContinuingEngine(SCRIPT, piece=3), lease=30.0)
    runner.run(store.heartbeat())
    responses = []
    reader = threading.Thread(target=lambda: responses.append(get(client, 10)))
    reader.start()
    runner.run(asyncio.sleep(0.2))
    runner.run(append(store, "t1", (1, 8), [*PIECES[8:12], Finish("stop")]))
    reader.join()

    assert responses[0].status_code == 200
    assert ids(events_of(responses[0].content)) == [12, 13]


@shared
def test_a_reader_beyond_the_end_of_a_turn_whose_producer_is_alive_is_rejected_in_the_end(producer, replica):
    store, runner = producer
    client = replica(ContinuingEngine(SCRIPT, piece=3), lease=LEASE)
    runner.run(append(store, "t1", (1, 8), [Finish("stop")]))
    response = get(client, 10)

    assert response.status_code == 400
    assert "Last-Event-ID is 10, but turn t1 has only 9 events" in response.json()["error"]["message"]


@shared
def test_a_reader_of_events_that_the_store_has_lost_is_told_so(producer, replica):
    client = replica(ContinuingEngine(SCRIPT, piece=3), lease=LEASE)
    lost = get(client, 10)  # the producer died, and the store has only eight of the ten events
    whole = events_after(client, "t1")
    numbers = ids(whole)

    assert (lost.status_code, lost.json()["error"]["code"]) == (410, "1214")
    assert LOST in lost.json()["error"]["message"]
    assert content(whole) == SCRIPT
    assert numbers == sorted(numbers)
    assert [ordinal_of(id) for id in numbers][-1] == len(PIECES) + 1
    assert numbers[0] == 8
    assert all(id > 10**12 for id in numbers[1:])  # of the second epoch
    assert get(client, 10).status_code == 410  # also when the log is longer again


@shared
def test_after_a_takeover_a_stream_can_be_resumed_after_each_event_of_both_epochs(producer, replica):
    client = replica(ContinuingEngine(SCRIPT, piece=3, delay=0.002), lease=LEASE)
    whole = [*events_after(client, "t1", 0)]
    epoch = ids(whole)[-1] - ordinal_of(ids(whole)[-1])
    for seen in range(len(PIECES) + 1):
        id = seen + epoch if seen > 8 else seen
        rest = events_after(client, "t1", id)

        assert content(rest) == "".join(piece.text for piece in PIECES[seen:])
        assert rest[-1].data == DONE
    assert get(client, len(PIECES) + 9).status_code == 410
    assert get(client, epoch + len(PIECES) + 9).status_code == 400
