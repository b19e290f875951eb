"""The queue for the slots of the embedded model: bounded, and fair between owners."""

import threading

import msgspec
import pytest

from dialects import ask
from headrace.engines import llama
from headrace.engines.llama import LlamaEngine
from headrace.errors import LimitError
from headrace_tiny import model_path
from waiting import until, until_async

PROMPT = "[gMASK]<sop><|user|>\nWrite a poem about spring<|assistant|>"


class Ending:
    """Notes who has ended."""

    def __init__(self, ended, owner):
        self._ended, self._owner = ended, owner

    def on_events(self, events):
        pass

    def on_end(self, error):
        assert error is None
        self._ended.append(self._owner)


@pytest.fixture
def engine():
    return LlamaEngine(model_path(), slots=1, max_waiting=8, max_waiting_per_key=5)


def start(engine, ended, owner, **fields):
    generation = msgspec.structs.replace(ask(PROMPT, max_tokens=5, **fields), owner=owner)
    return engine.start(generation, Ending(ended, owner))


async def test_a_second_owner_waits_for_one_answer_not_for_all(engine):
    ended = []
    for _ in range(6):
        start(engine, ended, "alice")
    start(engine, ended, "bob")
    await until_async(lambda: len(ended) == 7)

    await engine.close()

    assert ended.index("bob") <= 2


async def test_the_queue_has_a_limit_for_each_owner_and_in_total(engine):
    ended = []
    runs = [start(engine, ended, "alice") for _ in range(6)]
    with pytest.raises(LimitError) as own:
        start(engine, ended, "alice")
    runs += [start(engine, ended, "bob") for _ in range(3)]
    with pytest.raises(LimitError) as total:
        start(engine, ended, "carol")
    for run in runs:
        run.stop()
    start(engine, ended, "carol")
    await until_async(lambda: len(ended) == 10)
    await engine.close()

    assert (own.value.code, total.value.code) == ("1302", "1305")


async def test_a_client_that_leaves_while_its_prompt_is_tokenised_frees_its_slot(engine, monkeypatch):
    tokenizing = threading.Event()

    def tokenize(path, prompt, limit, is_stopped):
        tokenizing.set()
        until(is_stopped)
        return []

    monkeypatch.setattr(llama, "tokenize", tokenize)
    ended = []
    long = msgspec.structs.replace(ask("a" * (llama.LONG_PROMPT + 1)), owner="alice")
    run = engine.start(long, Ending(ended, "alice"))
    start(engine, ended, "bob")
    await until_async(tokenizing.is_set)
    run.stop()
    await until_async(lambda: len(ended) == 2)
    await engine.close()

    assert ended == ["alice", "bob"]


@pytest.fixture
def engine_without_queue():
    return LlamaEngine(model_path(), slots=1, max_waiting=0)


async def test_a_request_for_a_free_slot_does_not_wait(engine_without_queue):
    ended = []
    start(engine_without_queue, ended, "alice")
    with pytest.raises(LimitError):
        start(engine_without_queue, ended, "bob")
    await until_async(lambda: ended == ["alice"])
    await engine_without_queue.close()
