"""What every kind of documents guarantees, in one process and between several."""

import asyncio
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest

from document_process import STEPS
from headrace.documents import open_documents
from headrace.errors import RequestError
from headrace.events import Finish, Text, TokenUsage
from headrace.turns import open_store
from headrace.turns.store import StoreError
from turn_stores import append, header, needs_redis, settings, shared

TESTS = Path(__file__).parents[1]
sqlite = pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)
redis = pytest.mark.parametrize("store_kind", ["redis"], indirect=True)


async def test_a_write_sets_and_deletes_documents_and_raises_the_version(open_one):
    documents = open_one()
    assert (await documents.read(["a"]))[:2] == (0, {})

    assert await documents.write(0, {"a": b"1", "b": b"\x00\xff", "c": None})
    first = await documents.read(["a", "b", "c"])
    assert first.values == {"a": b"1", "b": b"\x00\xff"}
    assert first.version == await documents.version() > 0

    assert await documents.write(first.version, {"a": None, "b": b"", "c": None})
    second = await documents.read(["a", "b"])
    assert second.values == {"b": b""}
    assert second.version > first.version
    assert (await documents.read([]))[:2] == (second.version, {})


async def test_of_two_processes_that_read_the_same_version_one_writes_all_and_the_other_nothing(open_one):
    one, other = open_one(), open_one()
    assert await one.write(0, {"a": b"one", "b": b"one"})
    assert not await other.write(0, {"a": b"other", "c": b"other"})

    version, values, _ = await other.read("abc")
    assert values == {"a": b"one", "b": b"one"}
    assert not await one.write(version + 1, {"a": None})
    assert await other.write(version, {"a": None})
    assert (await one.read("abc")).values == {"b": b"one"}


@shared
async def test_namespaces_have_their_own_documents_and_versions(open_one):
    limits, keys = open_one("limits"), open_one("keys")
    assert await limits.write(0, {"a": b"limits"})
    assert await keys.version() == 0
    assert await keys.write(0, {"a": b"keys"})

    assert (await limits.read("a")).values == {"a": b"limits"}


@shared
async def test_no_step_of_competing_processes_is_lost(store_name, open_one):
    def compete():
        processes = [subprocess.Popen(command, cwd=TESTS) for _ in range(2)]
        return [process.wait(60) for process in processes]

    command = [sys.executable, "document_process.py", store_name]
    assert await asyncio.to_thread(compete) == [0, 0]
    assert (await open_one().read(["count"])).values == {"count": b"%d" % (2 * STEPS)}


async def test_the_time_is_that_of_the_clock_and_never_goes_backwards(open_one, monkeypatch):
    one, other = open_one(), open_one()
    before = await one.read([])
    assert before.now == pytest.approx(time.time(), abs=5)
    assert await one.write(before.version, {"a": b""})
    monkeypatch.setattr(time, "time", lambda: 1e9)

    after = [await documents.read([]) for documents in (one, other, open_one())]
    assert all(before.now <= snapshot.now < before.now + 20 for snapshot in after)


@redis
async def test_the_time_is_not_before_the_last_write_though_the_clock_of_redis_is_set_back(
    open_one, store_name
):
    from redis.asyncio import Redis

    documents = open_one()
    future = int((time.time() + 3600) * 1e6)
    async with Redis.from_url(store_name) as client:
        await client.hset("headrace:documents:limits", "", f"{future} id")
        before = await documents.read([])
        assert before[:1] + before[2:] == (future, future / 1e6)
        assert await documents.write(future, {})
        assert await documents.version() == future + 1
        await client.delete("headrace:documents:limits")

    assert (await documents.read([])).now >= before.now


@redis
async def test_a_write_whose_reply_was_lost_is_repeated_without_a_conflict(open_one, monkeypatch):
    documents = open_one()
    with monkeypatch.context() as patch:
        patch.setattr(secrets, "token_hex", lambda size: "id")
        assert await documents.write(0, {"a": b"1"})
        version = await documents.version()
        assert await documents.write(0, {"a": b"1"})

    assert await documents.version() == version
    assert not await documents.write(0, {"a": b"2"})


@redis
async def test_a_damaged_version_is_an_error_of_the_store(open_one, store_name):
    from redis.asyncio import Redis

    documents = open_one()
    async with Redis.from_url(store_name) as client:
        await client.hset("headrace:documents:limits", "", "garbage")
        with pytest.raises(StoreError, match="damaged"):
            await documents.read(["a"])
        await client.set("headrace:documents:limits", "garbage")
        with pytest.raises(StoreError, match="WRONGTYPE"):
            await documents.write(0, {})


@sqlite
async def test_a_file_that_was_lost_starts_empty_and_never_has_an_earlier_version_again(open_one, tmp_path):
    documents = open_one()
    await documents.write(0, {"a": b"1"})
    lost = await documents.version()
    for file in tmp_path.glob("turns.db*"):
        file.unlink()

    assert (await documents.read(["a"]))[:2] == (0, {})
    assert await documents.write(0, {"a": b"2"})
    assert await documents.version() > lost


@sqlite
async def test_documents_stay_when_turns_are_evicted_for_lack_of_room(open_one, store_name):
    documents = open_one()
    await documents.write(0, {"a": b"x" * 1000})
    store = open_store(settings(store=store_name, store_size=100_000))
    for number in range(40):
        await store.create(header(f"t{number}"), b"")
        events = [Text("x" * 10_000), Finish("stop", TokenUsage(1, 1))]
        await append(store, f"t{number}", (1, 0), events)
    assert (await store.load("t0")).evicted
    await store.close()

    assert (await documents.read(["a"])).values == {"a": b"x" * 1000}


@pytest.mark.parametrize(
    "address",
    ["sqlite:{}/missing/turns.db", pytest.param("redis://:sesame@127.0.0.1:1/0", marks=needs_redis)],
)
async def test_a_store_that_is_unavailable_is_an_error_of_the_store(address, tmp_path):
    documents = open_documents(settings(store=address.format(tmp_path)), "keys")
    for attempt in (documents.read(["a"]), documents.version(), documents.write(0, {"a": b""})):
        with pytest.raises(StoreError, match="is unavailable") as refused:
            await attempt
        assert refused.value.public == "the turn store is unavailable; try again later"
        assert "sesame" not in refused.value.message
    await documents.close()


@pytest.mark.parametrize("address", ["disk:x", "sqlite:", pytest.param("redis://x:y/z", marks=needs_redis)])
def test_an_invalid_address_is_an_error(address):
    with pytest.raises(RequestError, match="^store: "):
        open_documents(settings(store=address), "keys")
