"""The records of issued keys in every kind of store."""

import asyncio

import msgspec
import pytest

from headrace.documents.memory import MemoryDocuments
from headrace.errors import RequestError
from headrace.keys import KeyRecord, KeyRecords, new_record
from headrace.limits import KeyLimits
from headrace.turns.store import StoreError


@pytest.fixture
def documents():
    return MemoryDocuments()


async def test_records_come_back_as_they_were_added_and_change_the_version(documents):
    records = KeyRecords(documents)
    assert await records.read() == (0, {})
    limits = KeyLimits(in_flight=8, requests_per_minute=60, tokens_per_5h=1_000_000)
    added = [new_record(f"Team {n} 团队", n * 3600, limits, ("glm-4.6",)) for n in range(3)]
    versions = []
    for record in added:
        await records.add(record)
        versions.append(await records.version())

    assert (await records.read()).records == {record.id: record for record in added}
    assert versions == sorted(set(versions))
    assert [record.expires for record in added] == [0, added[1].created + 3600, added[2].created + 7200]


async def test_changes_of_several_processes_at_once_are_all_kept(documents):
    processes = [KeyRecords(MemoryDocuments(beside=documents)) for _ in range(20)]
    added = [KeyRecord(id=f"k{number}", name="", created=1) for number in range(20)]
    await asyncio.gather(*(each.add(record) for each, record in zip(processes, added, strict=True)))
    await asyncio.gather(*(each.revoke(f"k{number}") for number, each in enumerate(processes)))
    found = (await processes[0].read()).records

    assert len(found) == 20
    assert all(record.revoked for record in found.values())


async def test_a_second_revocation_does_not_change_when_the_key_was_revoked(documents):
    records = KeyRecords(documents)
    await records.add(KeyRecord(id="k1", name="", created=1, revoked=7))

    assert (await records.revoke("k1")).revoked == 7
    assert (await records.read()).records["k1"].revoked == 7


@pytest.mark.parametrize(
    ("id", "text"), [("k2", 'no key with the id "k2"'), ("k.secret", "not the id of a key;")]
)
async def test_an_unknown_id_is_an_error_without_secrets(documents, id, text):
    with pytest.raises(RequestError, match=text) as caught:
        await KeyRecords(documents).revoke(id)

    assert "secret" not in caught.value.message


@pytest.mark.parametrize("damage", [b"", b"\xff", b"[]", b'{"k1":{"id":1}}'])
async def test_a_damaged_document_is_an_error_of_the_store(documents, damage):
    await documents.write(0, {"records": damage})
    with pytest.raises(StoreError, match="damaged"):
        await KeyRecords(documents).read()


async def test_a_record_of_a_later_version_with_more_fields_can_be_read(documents):
    record = KeyRecord(id="k1", name="x", created=1)
    await documents.write(
        0, {"records": msgspec.json.encode({"k1": {**msgspec.to_builtins(record), "team": "y"}})}
    )

    assert (await KeyRecords(documents).read()).records == {"k1": record}
