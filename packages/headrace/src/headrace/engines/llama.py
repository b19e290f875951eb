"""llama.cpp in this process: any GGUF file, with continuous batching.

Threads: llama.cpp computes in one thread of its own, without the GIL. Each generation occupies one thread of
a pool, in which llama.cpp calls back with every token; the callback appends the bytes and wakes the event
loop, at most once per loop tick. Everything else runs in the loop.

Peculiarities of xllamacpp (measured, see docs/measurements.md): a request queued inside llama.cpp cannot be
cancelled, so there are never more requests than slots; a server deleted right after its construction can
hang, so one token is generated first; its HTTP listener cannot be disabled, so it listens on a socket in a
private directory.
"""

import asyncio
import os
import tempfile
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from headrace.engines.base import Generation
from headrace.engines.gguf import check_metadata, read_metadata, special_tokens
from headrace.engines.protocols.completions import Completions
from headrace.engines.protocols.dialects import DIALECTS
from headrace.engines.protocols.error_mapping import Upstream
from headrace.errors import EngineError
from headrace.events import Event
from headrace.extras import needs_extra
from headrace.formats import FORMATS
from headrace.prompts.escaping import PromptEncoder

__all__ = ["LlamaEngine"]

_PROMPT_BATCH: Final = 512  # tokens; a prompt can be cancelled between two batches
_DEFAULT_CONTEXT: Final = 4096  # if the file does not specify it


class _Server(Protocol):
    """The part of `xllamacpp.Server` that is used here."""

    def handle_completions(self, body: bytes, callback: Callable[[bytes], bool | None], /) -> None:
        """Run a request; the callback receives each chunk, and cancels by returning True."""
        ...


class LlamaEngine:
    """A loaded GGUF file. Loading blocks; everything else is asynchronous, within one event loop.

    Args:
        path: the GGUF file.
        format: the model's format, for `tool_choice`; "" if unknown.
        slots: the number of concurrent generations; others are queued.
        context: tokens of prompt and answer together, per slot; 0 for the model's own length.
        threads: compute threads; 1 is best for the embedded model, the number of physical cores for others.
        gpu_layers: layers to offload to a GPU, if llama.cpp was built for one; -1 for as many as fit.
        max_tokens: the default for requests that set none; None for the rest of the context.

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
    ) -> None:
        self.metadata = read_metadata(path)
        check_metadata(path, self.metadata)
        self.running = 0
        """The number of occupied slots."""
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
            self._server: _Server | None = _load(path, params)
        except EngineError:
            self._socket_directory.cleanup()
            raise
        self._protocol = Completions(
            DIALECTS["llama.cpp"],
            Upstream("llama.cpp"),
            format=FORMATS.get(format),
            max_tokens=max_tokens,
            prompt_encoder=PromptEncoder(_less_than_token(self._server), special_tokens(path)),
        )
        self._pool = _start_pool(slots)
        self._calls: set[_Call] = set()

    @property
    def continues(self) -> bool:
        """Always, since Headrace renders the prompt."""
        return True

    def _trained_context(self) -> int:
        architecture = self.metadata.get("general.architecture", "")
        return int(self.metadata.get(f"{architecture}.context_length", _DEFAULT_CONTEXT))

    async def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        """Emit the events that are ready together as one list.

        Raises:
            RequestError: 1212, an unsupported field; 1261, the prompt is too long.
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
        finally:
            call.cancelled = True
            await asyncio.shield(asyncio.wait([running]))  # about a token later

    async def _start(self, body: bytes) -> "tuple[_Call, asyncio.Future[Any]]":
        """Wait for a slot and start the call, which frees the slot when it returns, cancelled or not."""
        await self._slots.acquire()
        try:
            server = self._loaded()
        except EngineError:
            self._slots.release()
            raise
        loop = asyncio.get_running_loop()
        call = _Call(loop)
        self._calls.add(call)
        self.running += 1
        running = loop.run_in_executor(self._pool, server.handle_completions, body, call.receive)
        running.add_done_callback(call.wake)
        running.add_done_callback(lambda _: self._free(call))
        return call, running

    def _free(self, call: "_Call") -> None:
        self._calls.discard(call)
        self.running -= 1
        self._slots.release()

    async def check(self) -> None:
        """Check whether the model is loaded."""
        self._loaded()

    def _loaded(self) -> _Server:
        if self._server is None:
            msg = "the model is being unloaded"
            raise EngineError(msg, code="1221")
        return self._server

    async def close(self) -> None:
        """Cancel all generations, wait for their end, and unload the model."""
        server, self._server = self._server, None
        for call in self._calls:
            call.cancelled = True
        await asyncio.to_thread(self._unload, server)

    def _unload(self, server: _Server | None) -> None:
        self._pool.shutdown()
        del server  # the last reference: all calls have returned
        self._socket_directory.cleanup()


class _Call:
    """The bridge from llama.cpp's thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.cancelled = False
        self._loop = loop
        self._chunks: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self._is_wake_pending = False

    def receive(self, chunk: bytes) -> bool:
        """Append a chunk and wake the loop; called in a pool thread. True cancels the request."""
        self._chunks.append(chunk)
        if not self._is_wake_pending:
            self._is_wake_pending = True
            self._loop.call_soon_threadsafe(self.wake)
        return self.cancelled

    def wake(self, _: object = None) -> None:
        self._is_wake_pending = False
        self._ready.set()

    async def take(self, running: asyncio.Future[Any]) -> list[bytes]:
        """Return the available chunks, at least one; [] when the call has returned."""
        while not self._chunks:
            if running.done():
                _raise_failure(running.exception())
                return []
            self._ready.clear()
            await self._ready.wait()
        chunks = list(self._chunks)
        for _ in chunks:
            self._chunks.popleft()
        return chunks


def _start_pool(threads: int) -> ThreadPoolExecutor:
    """Create a pool and start its threads, which later would block the event loop for 10 ms each."""
    pool = ThreadPoolExecutor(threads, "llama")
    all_started = threading.Barrier(threads)
    list(pool.map(lambda _: all_started.wait(), range(threads)))
    return pool


def _raise_failure(error: BaseException | None) -> None:
    if error is not None:
        msg = f"llama.cpp rejected the request: {error}"
        raise EngineError(msg) from None


def _load(path: Path, params: dict[str, Any]) -> _Server:
    # If llama.cpp aborts on an invalid file, it would start a debugger for the backtrace.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    try:
        with needs_extra("llama"):
            import xllamacpp
    except ImportError as error:  # it is installed, but not a library of the system that it needs
        msg = f"cannot load llama.cpp ({error}); on Debian and Ubuntu, apt install libgomp1"
        raise EngineError(msg) from None
    common = xllamacpp.CommonParams()
    common.model.path = str(path)
    common.verbosity = -1
    common.warmup = False
    common.ui = False
    common.endpoint_slots = False
    common.n_threads_http = 1
    common.cache_ram_mib = 0  # 8192 by default, for evicted prompts; a slot keeps its own regardless
    for name, value in params.items():
        *owners, field = name.split(".")
        owner = common
        for step in owners:
            owner = getattr(owner, step)
        setattr(owner, field, value)
    try:
        server: _Server = xllamacpp.Server(common)
    except RuntimeError:
        msg = f"llama.cpp cannot run {path}: the file is truncated, or its architecture is unknown"
        raise EngineError(msg) from None
    return server


def _less_than_token(server: _Server) -> int | None:
    """Find the token id of "<" by generating it; also warms up the server."""
    chunks: list[bytes] = []
    request = {"prompt": "a", "max_tokens": 1, "grammar": 'root ::= "<"', "stream": True, "verbose": True}
    server.handle_completions(msgspec.json.encode(request), chunks.append)
    first = msgspec.json.decode(chunks[0])
    tokens = first.get("__verbose", {}).get("tokens", ())
    return tokens[0] if len(tokens) == 1 and first["choices"][0]["text"] == "<" else None
