"""llama.cpp in this process: any GGUF, several streams at once by continuous batching.

Threads: llama.cpp computes in one thread of its own, without the GIL. Each generation under way holds
one thread of our pool, in which llama.cpp calls back with every token; the callback appends the bytes
and wakes the event loop, at most once per loop tick. Everything else happens in the loop.

What is particular to xllamacpp (measured, see docs/measurements.md): a request that waits inside
llama.cpp cannot be cancelled, so no more are let in than there are slots; a server deleted right after
its construction can hang, so one token is generated first; its HTTP listener cannot be switched off,
so it is put on a socket in a private directory.
"""

import asyncio
import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.engines.base import Generation
from headrace.engines.gguf import check_metadata, read_metadata, special_tokens
from headrace.engines.latency import Histogram
from headrace.engines.protocols.completions import Completions
from headrace.engines.protocols.dialects import LLAMA_CPP
from headrace.engines.protocols.grammar import SYNTAXES
from headrace.engines.protocols.refusals import Source
from headrace.errors import EngineError
from headrace.events import Event
from headrace.prompts.markup import Cutter

__all__ = ["LlamaEngine"]

_PROMPT_BATCH: Final = 512  # tokens; a prompt can be cancelled between two batches
_DEFAULT_CONTEXT: Final = 4096  # where the file does not tell


class LlamaEngine:
    """One GGUF file, loaded. Loading blocks; everything else is asynchronous, within one event loop.

    Args:
        path: the GGUF file.
        format: the model's family, whose calls `tool_choice` can then enforce; "" if unknown.
        slots: how many generations run at once; more wait their turn.
        context: tokens of prompt and answer together, per slot; 0 is what the model was trained for.
        threads: for computing; 1 is best for the embedded model, the number of real cores for others.
        gpu_layers: how many layers to put on a GPU, where llama.cpp was built for one; -1 is as many as fit.
        max_tokens: where the client sets none; None is what fits into the context.
        cancel_latency: where it is counted how long it took, from the moment when the reader left,
            until the slot was free.

    Raises:
        EngineError: the file is missing, cut off or of a kind that llama.cpp cannot run, or the
            runtime is not installed.
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
        cancel_latency: Histogram | None = None,
    ) -> None:
        self.metadata = read_metadata(path)
        check_metadata(path, self.metadata)
        self.cancel_latency = cancel_latency or Histogram()
        self.running = 0
        """How many slots are taken."""
        self._slots = asyncio.Semaphore(slots)
        self._socket_directory = tempfile.TemporaryDirectory(prefix="headrace-")
        params: dict[str, Any] = {
            "n_parallel": slots,
            "n_ctx": slots * (context or self._trained_context()),
            "n_batch": _PROMPT_BATCH,
            "n_gpu_layers": gpu_layers,
            "cpuparams.n_threads": threads,
            "cpuparams_batch.n_threads": threads,
            "hostnames": [f"{self._socket_directory.name}/llama.sock"],
        }
        try:
            self._server = _load(path, params)
        except EngineError:
            self._socket_directory.cleanup()
            raise
        self._protocol = Completions(
            LLAMA_CPP,
            Source("llama.cpp"),
            syntax=SYNTAXES.get(format),
            max_tokens=max_tokens,
            cutter=Cutter(_token_of_less_than(self._server), special_tokens(path)),
        )
        self._pool = _started_pool(slots)
        self._calls: set[_Call] = set()

    @property
    def continues(self) -> bool:
        """Always."""
        return True

    def _trained_context(self) -> int:
        architecture = self.metadata.get("general.architecture", "")
        return int(self.metadata.get(f"{architecture}.context_length", _DEFAULT_CONTEXT))

    async def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        """See `headrace.engines.base`.

        Raises:
            RequestError: 1212 for what is not supported here, 1261 if the prompt is too long.
            EngineError: llama.cpp failed, or is being closed.
        """
        body = self._protocol.encode(generation)
        reader = self._protocol.reader(generation)
        call, running = await self._start(body)
        try:
            while chunks := await call.take(running):
                if events := [event for chunk in chunks for event in reader.feed(chunk)]:
                    yield events
            if not reader.is_finished:
                yield reader.finish()
        except (asyncio.CancelledError, GeneratorExit):
            call.left = time.perf_counter()
            raise
        finally:
            call.cancelled = True
            await asyncio.shield(asyncio.wait([running]))  # about a token later

    async def _start(self, body: bytes) -> "tuple[_Call, asyncio.Future[Any]]":
        """Once a slot is free. The call frees it when it returns: no cancel of its reader can skip that."""
        await self._slots.acquire()
        try:
            await self.check()
        except EngineError:
            self._slots.release()
            raise
        loop = asyncio.get_running_loop()
        call = _Call(loop)
        self._calls.add(call)
        self.running += 1
        running = loop.run_in_executor(self._pool, self._server.handle_completions, body, call.receive)
        running.add_done_callback(call.wake)
        running.add_done_callback(lambda _: self._free(call))
        return call, running

    def _free(self, call: "_Call") -> None:
        self._calls.discard(call)
        self.running -= 1
        self._slots.release()
        if call.left:
            self.cancel_latency.observe(time.perf_counter() - call.left)

    async def check(self) -> None:
        """Whether the model is loaded."""
        if self._server is None:
            msg = "the model is being unloaded"
            raise EngineError(msg, code="1221")

    async def close(self) -> None:
        """Cancel what runs, wait for it, unload the model."""
        server, self._server = self._server, None
        for call in self._calls:
            call.cancelled = True
        await asyncio.to_thread(self._unload, server)

    def _unload(self, server: Any) -> None:
        self._pool.shutdown()
        del server  # the last reference, now that no call is under way
        self._socket_directory.cleanup()


class _Call:
    """The bridge from llama.cpp's thread to the loop: chunks, and a wake-up that is pending or not."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.cancelled = False
        self.left = 0.0  # when the reader left before the end
        self._loop = loop
        self._chunks: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self._waking = False

    def receive(self, chunk: bytes) -> bool:
        """Called in a pool thread, with the GIL. True cancels the request."""
        self._chunks.append(chunk)
        if not self._waking:
            self._waking = True
            self._loop.call_soon_threadsafe(self.wake)
        return self.cancelled

    def wake(self, _: object = None) -> None:
        self._waking = False
        self._ready.set()

    async def take(self, running: asyncio.Future[Any]) -> list[bytes]:
        """Everything that has come, at least one chunk; [] when the call has returned."""
        while not self._chunks:
            if running.done():
                _raise_refusal(running.exception())
                return []
            self._ready.clear()
            await self._ready.wait()
        chunks = list(self._chunks)
        for _ in chunks:
            self._chunks.popleft()
        return chunks


def _started_pool(threads: int) -> ThreadPoolExecutor:
    """A pool whose threads all run: starting one while others generate would stop the loop for 10 ms."""
    pool = ThreadPoolExecutor(threads, "llama")
    all_started = threading.Barrier(threads)
    list(pool.map(lambda _: all_started.wait(), range(threads)))
    return pool


def _raise_refusal(error: BaseException | None) -> None:
    if error is not None:
        msg = f"llama.cpp refused the request: {error}"
        raise EngineError(msg) from None


def _load(path: Path, params: dict[str, Any]) -> Any:
    # On an inconsistent file llama.cpp may abort, and would start a debugger to show where.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    try:
        import xllamacpp
    except ModuleNotFoundError:
        msg = "llama.cpp is not installed; pip install 'headrace[llama]'"
        raise EngineError(msg) from None
    except ImportError as error:  # it is installed, but not a library of the system that it needs
        msg = f"cannot load llama.cpp ({error}); on Debian and Ubuntu: apt install libgomp1"
        raise EngineError(msg) from None
    common = xllamacpp.CommonParams()
    common.model.path = str(path)
    common.verbosity = -1
    common.warmup = False
    common.ui = False
    common.endpoint_slots = False
    common.n_threads_http = 1
    common.cache_ram_mib = 0  # 8192 by default, for displaced prompts; a slot keeps its own all the same
    for name, value in params.items():
        *owners, field = name.split(".")
        owner = common
        for step in owners:
            owner = getattr(owner, step)
        setattr(owner, field, value)
    try:
        server = xllamacpp.Server(common)
    except RuntimeError:
        msg = f"llama.cpp cannot run {path}: a truncated file, or an architecture that it does not know"
        raise EngineError(msg) from None
    return server


def _token_of_less_than(server: Any) -> int | None:
    """Makes llama.cpp generate it, which also gets it going."""
    chunks: list[bytes] = []
    asked = {"prompt": "a", "max_tokens": 1, "grammar": 'root ::= "<"', "stream": True, "verbose": True}
    server.handle_completions(msgspec.json.encode(asked), chunks.append)
    first = msgspec.json.decode(chunks[0])
    tokens = first.get("__verbose", {}).get("tokens", ())
    return tokens[0] if len(tokens) == 1 and first["choices"][0]["text"] == "<" else None
