"""The batch size for prompts: chosen by measured speed, and what it means for a long prompt."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.engines.base import Generation
from headrace.engines.llama import LlamaEngine
from headrace.engines.llama_loading import BATCHES, bracket_tokens, choose_batch, load
from headrace.events import Progress
from headrace.wire import decode_request
from headrace_tiny import model_path

IDS = list(range(300, 500)) * 5


def batch_of(server):
    """Process a prompt; return the tokens between two reports of progress."""
    chunks = []
    request = {"prompt": IDS, "max_tokens": 1, "stream": True, "return_progress": True}
    server.handle_completions(msgspec.json.encode(request), chunks.append)
    decoded = [msgspec.json.decode(chunk) for chunk in chunks]
    processed = [chunk["prompt_progress"]["processed"] for chunk in decoded if "prompt_progress" in chunk]
    return processed[1] - processed[0]


def linear(fixed, per_token):
    """Return a measurement: seconds for a number of tokens."""
    return lambda tokens: fixed + per_token * tokens


def test_a_fast_model_gets_the_largest_batch():
    assert choose_batch(linear(0.001, 0.00001)) == BATCHES[-1]


def test_a_slow_model_gets_the_smallest_batch_after_two_measurements():
    measured = []

    def seconds(tokens):
        measured.append(tokens)
        return linear(0.0, 0.02)(tokens)

    assert choose_batch(seconds) == BATCHES[0]
    assert measured == [64, 128]


def test_a_model_that_takes_as_long_for_few_tokens_as_for_many_gets_a_large_batch():
    assert choose_batch(linear(1.0, 0.0001)) == BATCHES[-1]


@given(st.floats(0, 1), st.floats(1e-6, 1), st.floats(1, 10))
def test_a_slower_model_never_gets_a_larger_batch_for_its_speed(fixed, per_token, slower):
    seconds, slow = linear(0, per_token), linear(0, per_token * slower)

    assert choose_batch(slow) <= choose_batch(seconds)
    assert choose_batch(linear(fixed, per_token)) in BATCHES


def test_one_interruption_changes_nothing():
    pauses = iter([0.05, 0.0] * 10)  # of other programs, in every other measurement

    assert choose_batch(lambda tokens: tokens * 0.00012 + next(pauses)) == 128


@pytest.mark.parametrize("batch", BATCHES)
def test_a_model_is_loaded_with_the_chosen_batch(batch, tmp_path):
    params = {"n_parallel": 1, "n_ctx": 4096, "hostnames": [str(tmp_path / "llama.sock")]}

    def choose(seconds):
        assert seconds(64) > 0
        return batch

    assert batch_of(load(model_path(), params, choose)) == batch


def test_a_small_context_needs_no_measurement(tmp_path):
    params = {"n_parallel": 2, "n_ctx": 2 * 512, "hostnames": [str(tmp_path / "llama.sock")]}
    server = load(model_path(), params, choose=lambda _: pytest.fail("measured"))

    server.handle_completions(b'{"prompt": "a", "max_tokens": 1}', lambda _: None)


def test_chunks_do_not_repeat_the_path_of_the_file(tmp_path):
    params = {"n_parallel": 1, "n_ctx": 512, "hostnames": [str(tmp_path / "llama.sock")]}
    chunks = []
    request = b'{"prompt": "a", "max_tokens": 1, "stream": true}'

    load(model_path(), params).handle_completions(request, chunks.append)

    assert {msgspec.json.decode(chunk)["model"] for chunk in chunks} == {"-"}


class Canceller:
    """Stops a run at its first progress."""

    def __init__(self):
        self.run = None
        self.ended = asyncio.get_running_loop().create_future()
        self.last = Progress(0, 0)

    def on_events(self, events):
        self.last = events[-1]
        if self.last.processed:
            self.run.stop()

    def on_end(self, error):
        self.ended.set_result(error)


@pytest.fixture
def engine():
    return LlamaEngine(model_path(), slots=1, context=4096)


@pytest.mark.asyncio
async def test_a_cancel_amid_a_prompt_ends_it_before_the_rest_is_processed(engine):
    listener = Canceller()
    body = {"model": "glm-4.6", "messages": [{"role": "user", "content": "x"}]}
    generation = Generation("river stone " * 1000, decode_request(msgspec.json.encode(body)))
    listener.run = engine.start(generation, listener)

    assert await asyncio.wait_for(listener.ended, 60) is None
    assert isinstance(listener.last, Progress)
    assert listener.last.processed <= listener.last.total / 2
    await engine.close()


@pytest.mark.parametrize(
    ("set_by_user", "expected"),
    [
        ({}, ("1000", None)),
        ({"GOMP_SPINCOUNT": "7"}, ("7", None)),
        ({"OMP_WAIT_POLICY": "active"}, (None, "active")),
    ],
)
def test_threads_of_openmp_spin_briefly_unless_the_environment_says_otherwise(
    set_by_user, expected, tmp_path
):
    source = tmp_path / "load.py"
    source.write_text(
        "import os, pathlib, headrace.engines.llama as llama, headrace_tiny\n"
        "llama.LlamaEngine(headrace_tiny.model_path(), slots=1, context=256)\n"
        "print((os.environ.get('GOMP_SPINCOUNT'), os.environ.get('OMP_WAIT_POLICY')), flush=True)\n"
        "os._exit(0)\n"
    )
    inherited = {name: value for name, value in os.environ.items() if "OMP_" not in name}
    command = [sys.executable, Path(source)]
    done = subprocess.run(command, env=inherited | set_by_user, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == str(expected)


def test_llguidance_learns_the_vocabulary_while_the_file_is_loaded():
    """It takes seconds for a large one, in which no other generation gets a token."""
    grammars = []

    class Server:
        def handle_completions(self, body, callback):
            grammars.append(msgspec.json.decode(body)["grammar"])
            callback(b'{"choices": [{"text": "<"}], "__verbose": {"tokens": [7]}}')

    assert bracket_tokens(Server()) == {"<": 7}
    assert all(grammar.startswith("%llguidance") for grammar in grammars)
