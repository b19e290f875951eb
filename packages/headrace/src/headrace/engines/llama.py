"""llama.cpp in this process: any GGUF file, with continuous batching.

Threads: llama.cpp computes in one thread of its own, without the GIL. Each generation occupies one thread of
a pool, in which llama.cpp calls back with every token; the callback appends the bytes and wakes the event
loop, about once for the tokens of all runs in a decoding step. Everything else runs in the loop.

Peculiarities of xllamacpp (measured, see docs/measurements.md): a request queued inside llama.cpp cannot be
cancelled, so there are never more requests than slots; tokenising cannot be stopped either, so a long prompt
is tokenised before (`llama_tokens.py`); a server deleted right after its construction can
hang, so one token is generated first; its HTTP listener cannot be disabled, so it listens on a socket in a
private directory.
"""

import asyncio
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.engines.base import Generation, Listener, Run
from headrace.engines.fair_queue import FairQueue
from headrace.engines.gguf import check_metadata, read_metadata, special_tokens
from headrace.engines.llama_loading import Server, bracket_tokens, load
from headrace.engines.llama_tokens import LONG_PROMPT, tokenize
from headrace.engines.protocols.base import Reader
from headrace.engines.protocols.completions import Completions
from headrace.engines.protocols.dialects import DIALECTS
from headrace.engines.protocols.error_mapping import Upstream
from headrace.engines.protocols.grammar import answer_grammar
from headrace.engines.protocols.structure import is_structured
from headrace.engines.protocols.token_limits import TokenLimits
from headrace.engines.schemas.validator import GrammarValidator
from headrace.errors import EngineError, HeadraceError
from headrace.events import Event
from headrace.formats import FORMATS
from headrace.prompts.escaping import PromptEncoder

__all__ = ["LlamaEngine"]

_DEFAULT_CONTEXT: Final = 4096  # if the file does not specify it
_CONTEXT_STEP: Final = 256  # llama.cpp rounds the context of a slot up to a multiple of it
_STEP_SPREAD: Final = 0.001  # seconds; most runs get their token of a decoding step within it
_STOP_SECONDS: Final = 1.0  # to wait for runs when the model is unloaded
_LEFT_RUNNING: Final[list[object]] = []  # deleting a server waits for its calls


class LlamaEngine:
    """A loaded GGUF file. Loading blocks; everything else is asynchronous, within one event loop.

    Args:
        path: the GGUF file.
        format: the model's format, for `tool_choice` and `response_format`; "" if unknown.
        slots: the number of concurrent generations; others are queued.
        context: tokens of prompt and answer together, per slot; at most, and 0 for, the model's own length.
        threads: compute threads.
        gpu_layers: layers to offload to a GPU, if llama.cpp was built for one; -1 for as many as fit.
        max_tokens: the default for requests that set none; None for the rest of the context.
        max_waiting: requests that may wait for a slot.
        max_waiting_per_key: requests of one API key that may.

    Raises:
        EngineError: the file is missing, truncated or not supported by llama.cpp, or the runtime is not
            installed.
    """

    def __init__(
        self,
        path: Path,
        *,
        format: str = "",
        slots: int = 4,
        context: int = 0,
        threads: int = 1,
        gpu_layers: int = -1,
        max_tokens: int | None = None,
        max_waiting: int = 512,
        max_waiting_per_key: int = 128,
    ) -> None:
        self.metadata = read_metadata(path)
        check_metadata(path, self.metadata)
        self.special_tokens = special_tokens(path)
        """Their ids by name."""
        self._slots = slots
        self.runs: set[_LlamaRun] = set()
        """The runs that occupy a slot."""
        self._waiting: FairQueue[_LlamaRun] = FairQueue(max_waiting, max_waiting_per_key)
        self._is_waking = False
        self._counting = asyncio.Lock()
        self._socket_directory = tempfile.TemporaryDirectory(prefix="headrace-")
        self._socket = Path(self._socket_directory.name, "llama.sock")
        trained = self._trained_context()
        # llama.cpp does the same without a word.
        self.context = -(-min(context or trained, trained) // _CONTEXT_STEP) * _CONTEXT_STEP
        """Tokens of prompt and answer together, per slot."""
        params: dict[str, Any] = {
            "n_parallel": slots,
            "n_ctx": slots * self.context,
            "n_gpu_layers": gpu_layers,
            "cpuparams.n_threads": threads,
            "cpuparams_batch.n_threads": threads,
            "hostnames": [str(self._socket)],
        }
        try:
            self._server: Server | None = load(path, params)
        except EngineError:
            self._socket_directory.cleanup()
            raise
        self._format = FORMATS.get(format)
        self._validator = GrammarValidator()
        self._protocol = Completions(
            DIALECTS["llama.cpp"],
            Upstream("llama.cpp"),
            limits=TokenLimits(DIALECTS["llama.cpp"], max_tokens),
            format=self._format,
            prompt_encoder=PromptEncoder(bracket_tokens(self._server), self.special_tokens),
            vocabulary=_length(self.metadata.get("tokenizer.ggml.tokens", 0)),
            structure=self._structure,
        )
        self._pool = _start_pool(slots)

    @property
    def running(self) -> int:
        """The number of occupied slots."""
        return len(self.runs)

    @property
    def continues(self) -> bool:
        """Always, since Headrace renders the prompt."""
        return True

    def token_limit(self, generation: Generation) -> int | None:
        return self._protocol.token_limit(generation)

    async def count_tokens(self, generation: Generation) -> int:
        """Tokenise the prompt, which may be longer than the context; one at a time, on one core."""
        prompt = self._protocol.prompt(generation)
        async with self._counting:
            self._loaded()
            return len(await asyncio.to_thread(tokenize, self._socket, prompt, sys.maxsize, _never))

    def _trained_context(self) -> int:
        architecture = self.metadata.get("general.architecture", "")
        return int(self.metadata.get(f"{architecture}.context_length", _DEFAULT_CONTEXT))

    def start(self, generation: Generation, listener: Listener) -> Run:
        """See `Engine`. What the request has that is not supported here ends the run with an error.

        Raises:
            LimitError: too many requests are waiting for a slot.
            EngineError: the model is being unloaded.
        """
        self._loaded()
        run = _LlamaRun(self, generation, self._protocol.reader(generation), listener)
        if len(self.runs) < self._slots:  # then no other run waits
            self._begin(run)
        else:
            self._waiting.put(generation.owner, run)
        return run

    def complete(self, run: "_LlamaRun") -> None:
        """Encode and run a completion, in a thread of the pool. A stopped run ends soon."""
        generation = run.generation
        fields = self._protocol.fields(generation)  # compiles a grammar
        prompt: str | Sequence[str | int] = self._protocol.prompt(generation)
        if len(generation.prompt) > LONG_PROMPT:
            prompt = tokenize(self._socket, prompt, self.context, lambda: run.is_stopped)
        body = msgspec.json.encode({**fields, "prompt": prompt})
        if not run.is_stopped:
            self._loaded().handle_completions(body, run.receive)

    def _structure(self, generation: Generation) -> dict[str, Any]:
        """Return the fields for constrained decoding; blocks while the grammar is compiled."""
        if not is_structured(generation.request):
            return {}
        return {"grammar": answer_grammar(generation, self._format, self._validator, self.special_tokens)}

    def _begin(self, run: "_LlamaRun") -> None:
        self.runs.add(run)
        run.begin(self._pool)

    def _fill_slots(self) -> None:
        while self._waiting and len(self.runs) < self._slots:
            self._begin(self._waiting.take())

    def release(self, run: "_LlamaRun") -> None:
        """Take back a run's slot, or its place in the queue."""
        self.runs.discard(run)
        self._waiting.discard(run.generation.owner, run)
        self._fill_slots()

    def wake(self, loop: asyncio.AbstractEventLoop) -> None:
        """Deliver soon what the runs have received. Called in threads of the pool, with the GIL."""
        if not self._is_waking:
            self._is_waking = True
            loop.call_soon_threadsafe(self._gather)

    def _gather(self) -> None:
        """Wait for the other runs' tokens of the same step, if there are other runs."""
        if len(self.runs) > 1:
            asyncio.get_running_loop().call_later(_STEP_SPREAD, self._deliver)
        else:
            self._deliver()

    def _deliver(self) -> None:
        self._is_waking = False
        for run in tuple(self.runs):
            run.deliver()

    async def check(self) -> None:
        """Check whether the model is loaded."""
        self._loaded()

    def _loaded(self) -> Server:
        if self._server is None:
            msg = "the model is being unloaded"
            raise EngineError(msg, code="1221")
        return self._server

    async def close(self) -> None:
        """Stop every run, wait for it for a second at most, unload the model."""
        server, self._server = self._server, None
        calls = [run.call for run in self.runs if run.call]
        for run in [*self._waiting, *self.runs]:
            run.stop(EngineError("the model is being unloaded", code="1221"))
        if calls:
            await asyncio.wait(calls, timeout=_STOP_SECONDS)
        if all(call.done() for call in calls):
            await asyncio.to_thread(self._unload, server)
        else:  # a batch of a large model; the process ends without it
            _LEFT_RUNNING.append(server)

    def _unload(self, server: Server | None) -> None:
        self._pool.shutdown()
        self._validator.close()
        del server  # the last reference, now that no call is under way
        self._socket_directory.cleanup()


class _LlamaRun:
    """A generation: waits for a slot, then bridges llama.cpp's thread and the event loop.

        WAITING ── begin ──▶ RUNNING ── the call returns ──▶ OVER
           └───────── stop ─────────────────────────────────▶ OVER

    While it runs, it holds one thread of the pool, in which llama.cpp calls `receive` with every chunk.
    """

    def __init__(
        self, engine: LlamaEngine, generation: Generation, reader: Reader, listener: Listener
    ) -> None:
        self.generation = generation
        self.call: asyncio.Future[Any] | None = None
        self.is_stopped = False
        self._engine = engine
        self._reader = reader
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._chunks: deque[bytes] = deque()
        self._error: HeadraceError | None = None

    def begin(self, pool: ThreadPoolExecutor) -> None:
        """Occupy a slot."""
        self.call = self._loop.run_in_executor(pool, self._engine.complete, self)
        self.call.add_done_callback(self._end)

    def stop(self, error: HeadraceError | None = None) -> None:
        """See `Run`. llama.cpp notices within about a token, or at the end of a batch of the prompt."""
        if self.is_stopped:
            return
        self.is_stopped = True
        self._error = error
        if self.call is None:
            self._engine.release(self)
            self._loop.call_soon(self._listener.on_end, error)

    def pause(self) -> None:
        """Do nothing: llama.cpp cannot be paused, and the context bounds what it writes."""

    def resume(self) -> None:
        """Do nothing."""

    def receive(self, chunk: bytes) -> bool:
        """Take a chunk, in a thread of the pool, with the GIL; True cancels the call."""
        self._chunks.append(chunk)
        self._engine.wake(self._loop)
        return self.is_stopped

    def deliver(self) -> None:
        """Pass on what has been received."""
        events: list[Event] = []
        try:
            while self._chunks:
                events += self._reader.feed(self._chunks.popleft())
        except HeadraceError as error:
            self.stop(error)
        if events and not self.is_stopped:
            self._listener.on_events(events)

    def _end(self, call: asyncio.Future[Any]) -> None:
        self.deliver()
        refusal = call.exception()
        if isinstance(refusal, HeadraceError):
            self.stop(refusal)
        elif refusal is not None:
            self.stop(EngineError(f"llama.cpp rejected the request: {refusal}"))
        elif not (self.is_stopped or self._reader.is_finished):
            try:
                events = self._reader.finish()
            except HeadraceError as error:
                self.stop(error)
            else:
                self._listener.on_events(events)
        # A traceback refers to this run: neither is kept, so that both are freed at once.
        reason, self._error, self.call = self._error, None, None
        self.is_stopped = True
        self._engine.release(self)
        self._listener.on_end(reason)


def _start_pool(threads: int) -> ThreadPoolExecutor:
    """Create a pool and start its threads, which later would block the event loop for 10 ms each."""
    pool = ThreadPoolExecutor(threads, "llama")
    all_started = threading.Barrier(threads)
    list(pool.map(lambda _: all_started.wait(), range(threads)))
    return pool


def _never() -> bool:
    return False


def _length(array: Sequence[Any] | int) -> int:
    """Return the length of an array of the metadata, of which a long one is only its length."""
    return array if isinstance(array, int) else len(array)
