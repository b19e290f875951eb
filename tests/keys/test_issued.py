"""Issued keys: authentic ones by their secret, valid ones by their record in the store."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.documents.memory import MemoryDocuments
from headrace.errors import AccessError
from headrace.keys import ApiKeys, IssuedKeys, KeyRecord, KeyRecords, MasterKey
from headrace.limits import KeyLimits, LimitSettings
from headrace.options import OptionError
from headrace.turns.store import StoreError
from issued_keys import sign
from virtual_time import virtual_time

__all__ = ["virtual_time"]

MASTER = MasterKey("m" * 32)
PROMISED = 1.0  # seconds until every process knows a change


class Store(MemoryDocuments):
    """Documents that can be unavailable, or slow."""

    def __init__(self, beside=None):
        super().__init__(beside=beside)
        self.is_down = False
        self.delay = 0.0

    async def version(self):
        self._check()
        return await super().version()

    async def read(self, names):
        snapshot = await super().read(names)
        await asyncio.sleep(self.delay)
        self._check()
        return snapshot

    def _check(self):
        if self.is_down:
            msg = "the turn store is unavailable: it burns"
            raise StoreError(msg)


def key_of(record):
    return f"{record.id}.{MASTER.secret_of(record.id)}"


def bearer(key):
    return {"authorization": f"Bearer {key}"}


async def error_of(keys, key):
    with pytest.raises(AccessError) as caught:
        await keys.check(bearer(key))
    return caught.value


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def records(store):
    """The records, as another process changes them."""
    return KeyRecords(Store(beside=store))


@pytest.fixture
async def keys(store):
    keys = ApiKeys(["fixed.secret"], IssuedKeys(MASTER, KeyRecords(store)), LIMITS)
    yield keys
    await keys.close()


LIMITS = LimitSettings(max_in_flight_per_key=4, tokens_per_5h=1000)
RECORD = KeyRecord(id="k1", name="Team A", created=1)


@pytest.mark.parametrize("headers", ["raw", "bearer", "x-api-key", "api-key", "token"])
async def test_an_issued_key_is_accepted_in_every_place_and_as_a_token(keys, records, headers):
    await records.add(RECORD)
    key = key_of(RECORD)
    sent = {
        "raw": {"authorization": key},
        "bearer": bearer(key),
        "x-api-key": {"x-api-key": key},
        "api-key": {"api-key": key},
        "token": bearer(sign(key)),
    }

    assert await keys.check(sent[headers]) == "k1"
    assert await keys.check(bearer("fixed.secret")) == "fixed"


@given(at=st.integers(0, 45), to=st.sampled_from("aB3-_.="))
async def test_a_key_with_another_character_is_wrong_and_needs_no_store(at, to):
    store = Store()
    store.is_down = True
    keys = ApiKeys([], IssuedKeys(MASTER, KeyRecords(store)))
    right = key_of(RECORD)
    wrong = right[:at] + to + right[at + 1 :]
    if wrong != right:
        assert (await error_of(keys, wrong)).code == "1002"
        assert (await error_of(keys, sign(wrong))).code == "1002"


async def test_a_key_of_another_master_key_is_wrong(keys, records):
    await records.add(RECORD)
    secret = MasterKey("n" * 32).secret_of("k1")

    for key in (f"k1.{secret}", sign(f"k1.{secret}")):
        error = await error_of(keys, key)
        assert (error.code, error.status) == ("1002", 401)


async def test_an_expired_token_of_an_issued_key_is_1003(keys, records):
    await records.add(RECORD)

    assert (await error_of(keys, sign(key_of(RECORD), expires_in=-1))).code == "1003"


async def test_an_authentic_key_without_a_record_is_refused_until_it_has_one(keys, records):
    key = key_of(RECORD)
    assert "no record" in (await error_of(keys, key)).message
    await records.add(RECORD)

    assert await keys.check(bearer(key)) == "k1"


async def test_a_key_that_is_created_while_the_records_are_being_read_is_accepted(keys, records, store):
    await records.add(KeyRecord(id="k0", name="", created=1))
    store.delay = 0.05
    early = asyncio.create_task(error_of(keys, key_of(RECORD)))
    await asyncio.sleep(0.01)
    await records.add(RECORD)

    assert await keys.check(bearer(key_of(RECORD))) == "k1"
    early.cancel()


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [({"revoked": 1}, "1002", "revoked"), ({"expires": 1}, "1003", "expired on 1970-01-01 00:00 UTC")],
)
async def test_a_revoked_or_expired_key_is_refused_with_the_reason(keys, records, change, code, text):
    await records.add(KeyRecord(id="k1", name="Team A", created=1, **change))
    for key in (key_of(RECORD), sign(key_of(RECORD))):
        error = await error_of(keys, key)
        assert (error.code, error.status) == (code, 401)
        assert text in error.message
        assert "k1" not in error.message


async def test_a_revoked_key_is_refused_by_every_process_within_the_promised_time(
    virtual_time, keys, records, store
):
    other = ApiKeys([], IssuedKeys(MASTER, KeyRecords(Store(beside=store))))
    for each in (keys, other):
        each.open()
    await records.add(RECORD)
    for each in (keys, other):
        assert await each.check(bearer(key_of(RECORD))) == "k1"
    await asyncio.sleep(10.3)
    await records.revoke("k1")
    await asyncio.sleep(PROMISED)

    for each in (keys, other):
        assert "revoked" in (await error_of(each, key_of(RECORD))).message
    await other.close()


async def test_while_the_store_is_unavailable_known_keys_remain_valid_and_others_get_503(
    virtual_time, keys, records, store, caplog
):
    await records.add(RECORD)
    keys.open()
    await keys.check(bearer(key_of(RECORD)))
    store.is_down = True
    new = KeyRecord(id="k2", name="", created=1)
    await records.add(new)
    await asyncio.sleep(60)

    assert await keys.check(bearer(key_of(RECORD))) == "k1"
    assert await keys.check(bearer("fixed.secret")) == "fixed"
    with pytest.raises(StoreError) as caught:
        await keys.check(bearer(key_of(new)))
    assert caught.value.status == 503
    warnings = [line for line in caplog.messages if "it burns; API keys that are known remain valid" in line]
    assert len(warnings) == 1

    store.is_down = False
    assert await keys.check(bearer(key_of(new))) == "k2"


async def test_any_number_of_requests_with_an_unknown_key_share_a_lookup(keys, store):
    counted = 0
    version = store.version

    async def count():
        nonlocal counted
        counted += 1
        await asyncio.sleep(0.01)
        return await version()

    store.version = count
    errors = await asyncio.gather(*(error_of(keys, key_of(RECORD)) for _ in range(100)))

    assert {error.code for error in errors} == {"1002"}
    assert counted <= 4


async def test_the_limits_of_a_key_are_its_own_or_else_the_servers(keys, records):
    record = KeyRecord(id="k1", name="", created=1, limits=KeyLimits(in_flight=8, requests_per_minute=60))
    await records.add(record)
    await keys.check(bearer(key_of(record)))

    assert keys.limits_of("k1") == KeyLimits(in_flight=8, requests_per_minute=60, tokens_per_5h=1000)
    for other in ("", "fixed", "k9"):
        assert keys.limits_of(other) == KeyLimits(in_flight=4, tokens_per_5h=1000)


async def test_a_key_may_use_the_models_of_its_record_by_any_of_their_names(keys, records):
    await records.add(KeyRecord(id="k1", name="", created=1, models=("GLM-4.6", "other")))
    await keys.check(bearer(key_of(RECORD)))
    keys.check_model("k1", "alias", ["glm-4.6", "alias"])
    keys.check_model("fixed", "any", ["any"])
    with pytest.raises(
        AccessError, match='model: this API key may not use "glm-5"; it may use glm-4.6, other'
    ) as no:
        keys.check_model("k1", "glm-5", ["glm-5", "glm"])

    assert (no.value.code, no.value.status) == ("1220", 403)


@pytest.mark.parametrize("text", ["", "short-secret", "x" * 31])
def test_a_short_master_key_is_an_error_that_does_not_contain_it(text):
    with pytest.raises(OptionError, match="at least 32") as caught:
        MasterKey(text)

    assert not text or text not in caught.value.message
