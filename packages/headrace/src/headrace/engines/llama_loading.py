"""Loading a GGUF file into llama.cpp, with a batch size that suits the speed of the model and the machine.

A prompt is processed in batches. Between two of them, the other generations get a token each, and a cancelled
one ends: a batch should be short. A GPU, and a mixture of experts in main memory, take much longer for many
small batches than for few large ones: a batch should be large. llama.cpp sets the size when it loads the
file, so that another size than the usual one takes a second load.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from headrace.errors import EngineError
from headrace.foreign_errors import needs_extra
from headrace.prompts.escaping import BRACKETS

__all__ = ["BATCHES", "Server", "bracket_tokens", "choose_batch", "load", "physical_cores"]

BATCHES: Final = (64, 128, 256, 512)
"""Sizes in tokens. With 32, the embedded model takes 2.5 times as long per token as with 64."""

_USUAL_BATCH: Final = 128  # the embedded model's, on most machines
_SECONDS: Final = 0.025  # for a first batch; after 3,000 tokens, the embedded model takes four times as long
_GAIN: Final = 1.5  # twice the tokens in less than this many times the time: worth a longer batch
_IMPRECISE: Final = 0.1  # seconds; what other programs take from a shorter time matters


class Server(Protocol):
    """The part of `xllamacpp.Server` that is used."""

    def handle_completions(self, body: bytes, callback: Callable[[bytes], bool | None], /) -> None:
        """Run a request; the callback receives each chunk, and cancels by returning True."""
        ...


Choice = Callable[[Callable[[int], float]], int]
"""Chooses a batch size, given a function that measures the seconds that a prompt of so many tokens takes."""


def choose_batch(seconds: Callable[[int], float]) -> int:
    """Return the largest size that is short enough, or takes little longer than half of it."""
    chosen = BATCHES[0]
    shorter = _repeated(seconds, chosen)
    for batch in BATCHES[1:]:
        longer = _repeated(seconds, batch)
        if longer > _SECONDS and longer > _GAIN * shorter:
            break
        chosen, shorter = batch, longer
    return chosen


def physical_cores(cpus: Path = Path("/sys/devices/system/cpu")) -> int:
    """Count the physical cores that this process may use; a second thread on one is slower than none."""
    if not hasattr(os, "sched_getaffinity"):  # macOS, Windows
        return os.cpu_count() or 1
    cores = set()
    for cpu in os.sched_getaffinity(0):
        siblings = cpus / f"cpu{cpu}" / "topology" / "thread_siblings_list"
        cores.add(siblings.read_text() if siblings.exists() else str(cpu))
    return len(cores)


def _repeated(seconds: Callable[[int], float], tokens: int) -> float:
    first = seconds(tokens)
    return first if first > _IMPRECISE else min(first, seconds(tokens))


def load(path: Path, params: dict[str, Any], choose: Choice = choose_batch) -> Server:
    """Load a file.

    Args:
        path: the GGUF file.
        params: fields of `CommonParams`; a dot precedes the field of a field.
        choose: chooses the batch size, unless the context is too small for it to matter.

    Raises:
        EngineError: the file is truncated or not supported by llama.cpp, or the runtime is not installed.
    """
    server = _load(path, {**params, "n_batch": _USUAL_BATCH})
    if params["n_ctx"] // params["n_parallel"] <= BATCHES[-1]:
        return server
    batch = choose(partial(_prompt_seconds, server))
    if batch != _USUAL_BATCH:
        del server
        for socket in params["hostnames"]:
            Path(socket).unlink()
        server = _load(path, {**params, "n_batch": batch})
    return server


def _load(path: Path, params: dict[str, Any]) -> Server:
    # Between two operations, threads of OpenMP spin for milliseconds, which other programs could use.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
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
    common.model_alias = {"-"}  # every chunk has the model's name: by default the path
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
        server: Server = xllamacpp.Server(common)
    except RuntimeError:
        msg = f"llama.cpp cannot run {path}: the file is truncated, or its architecture is unknown"
        raise EngineError(msg) from None
    return server


def _prompt_seconds(server: Server, tokens: int) -> float:
    """Measure how long a new prompt of so many tokens takes."""
    last = _generate(server, prompt=[number % 256 for number in range(tokens)], cache_prompt=False)[-1]
    return float(last["timings"]["prompt_ms"]) / 1000


def bracket_tokens(server: Server) -> dict[str, int]:
    """Find the token ids of brackets by generating each.

    The first grammar of a vocabulary takes llguidance a moment (262,000 tokens: 2.4 s), now rather than
    during a request, which it would delay together with all other generations.
    """
    found: dict[str, int] = {}
    for bracket in BRACKETS:
        first = _generate(server, prompt="a", grammar=f'%llguidance {{}}\nstart: "{bracket}"', verbose=True)[
            0
        ]
        tokens = first.get("__verbose", {}).get("tokens", ())
        if len(tokens) == 1 and first["choices"][0]["text"] == bracket:
            found[bracket] = tokens[0]
    return found


def _generate(server: Server, **request: Any) -> list[Any]:
    """Generate one token; return the chunks."""
    chunks: list[bytes] = []
    body = msgspec.json.encode({"max_tokens": 1, "stream": True, **request})
    server.handle_completions(body, chunks.append)
    return [msgspec.json.decode(chunk) for chunk in chunks]
