"""The engine `llama` beside llama.cpp's own HTTP server: the same library, file and flags.

    headrace      POST /api/paas/v4/chat/completions of `headrace serve`
    floor         the least that a Python process costs: an event loop that forwards chunks (engine_floor.py)
    chat          POST /v1/chat/completions of llama.cpp's server
    completions   POST /v1/completions of the same server, with the rendered prompt of the embedded model

The servers run all the time; one request at a time goes to one of them, or as many as there are streams.
Rounds are interleaved, every other one in reverse order; the first one warms up. Medians, and in brackets
the medians of the rounds' ratios to `completions`, of:

- 1, 2, 4 and 8 streams: CPU time per token of the process; *overhead*, that of all threads but the busiest,
  which decodes: unlike decoding, it hardly depends on the machine's load; the gaps between two reads.
- `gap`: four streams run, and a prompt of 1,200 words comes, 3,000 tokens of the embedded model: the longest
  gap of the four meanwhile.
- `cancel`: a client disconnects amid such a prompt: the time until the server is idle.

CPU time is that of `/proc/PID/task/*/schedstat`, so that Linux is required.

    python benchmarks/engines.py [--rounds 5] [--tokens 200] [--model FILE] [--threads 1]
    python benchmarks/engines.py --model BASE.gguf --chat-template FILE --only "1 streams" gap
    python benchmarks/engines.py --headrace OTHER_CHECKOUT/.venv/bin/python
"""

import argparse
import asyncio
import itertools
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import uvloop
from relay.programs import free_port

from headrace_tiny import model_path

STREAMS: Final = (1, 2, 4, 8)
FLOOR: Final = Path(__file__).with_name("engine_floor.py")
SLOTS: Final = 8
CONTEXT: Final = 4096  # tokens per slot
LONG_PROMPT: Final = 1200  # words; 3,000 tokens of the embedded model
IDLE_SECONDS: Final = 0.2  # with less CPU time than
IDLE_CPU: Final = 0.002
PATHS: Final = {
    "headrace": "/api/paas/v4/chat/completions",
    "floor": "/v1/completions",
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
}
SAMPLING: Final = {"temperature": 1.0, "top_p": 0.95, "top_k": 40, "min_p": 0.0, "ignore_eos": True}
TEXT: Final = re.compile(rb'"(?:content|reasoning_content|text)":"[^"]')
WORDS: Final = ("river", "stone", "light", "window", "garden", "paper", "summer", "engine", "cloud")
Figures = dict[str, float]


class Server(NamedTuple):
    """A running server."""

    pid: int
    port: int

    def threads(self) -> dict[str, float]:
        """Return the CPU seconds of each thread."""
        files = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return {file.parent.name: int(file.read_text().split()[0]) / 1e9 for file in files}


def start(command: Sequence[str], port: int, running: ExitStack) -> Server:
    """Start a server, wait until it responds, and stop it at the end."""
    process = running.enter_context(subprocess.Popen([*command], stdout=subprocess.DEVNULL))
    running.callback(process.kill)
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                return Server(process.pid, port)
        except OSError:
            time.sleep(0.1)
    sys.exit(f"cannot start: {' '.join(command)}")


def serve_peer(port: int, model: str, template: str, threads: int) -> None:
    """Run llama.cpp's HTTP server."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.chat_template = template
    params.port = port
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT
    params.verbosity = -1
    params.warmup = params.ui = False
    params.cache_ram_mib = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(params)
    server.handle_completions(b'{"prompt": "a", "max_tokens": 1}', lambda _: None)
    signal.pause()


class Stream(asyncio.Protocol):
    """One request: the times at which text arrived, and the usage at the end."""

    def __init__(self, kind: str, body: object) -> None:
        data = msgspec.json.encode(body)
        head = f"POST {PATHS[kind]} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self._request = f"{head}Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data
        self.began = time.perf_counter()
        self.times: list[float] = []
        self.has_text = asyncio.Event()
        self.over = asyncio.get_running_loop().create_future()
        self.last = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.last = (self.last + data)[-4096:]
        if TEXT.search(data):
            self.times.append(time.perf_counter())
            self.has_text.set()

    def connection_lost(self, _error: Exception | None) -> None:
        self.over.set_result(None)


class Bench:
    """Requests for answers of `tokens` tokens to the servers."""

    def __init__(self, servers: dict[str, Server], tokens: int) -> None:
        self._servers = servers
        self._tokens = tokens
        self._numbers = itertools.count()

    async def open(self, kind: str, tokens: int, words: int = 10) -> Stream:
        """Send a request with a new prompt."""
        number = next(self._numbers)
        choices = random.Random(number).choices(WORDS, k=words)
        text = f"{number} {' '.join(choices)}"
        body = {**SAMPLING, "stream": True, "max_tokens": tokens, "seed": number}
        if kind in ("completions", "floor"):
            body["prompt"] = f"[gMASK]<sop><|user|>\n{text}<|assistant|>\n<think></think>\n"
        else:
            body |= {"model": "glm-4.6", "messages": [{"role": "user", "content": text}]}
        if kind == "headrace":
            body["thinking"] = {"type": "disabled"}
        else:
            body["stream_options"] = {"include_usage": True}
            body["chat_template_kwargs"] = {"enable_thinking": False}
        loop = asyncio.get_running_loop()
        port = self._servers[kind].port
        _, stream = await loop.create_connection(lambda: Stream(kind, body), "127.0.0.1", port)
        return stream

    async def streams(self, kind: str, count: int) -> Figures:
        """Measure `count` streams at once."""
        server = self._servers[kind]
        before = server.threads()
        streams = await asyncio.gather(*(self.open(kind, self._tokens) for _ in range(count)))
        await asyncio.gather(*(stream.over for stream in streams))
        used = {name: cpu - before.get(name, 0.0) for name, cpu in server.threads().items()}
        tokens = count * self._tokens
        assert all(b'"completion_tokens":%d' % self._tokens in stream.last for stream in streams)
        gaps = sorted(b - a for stream in streams for a, b in itertools.pairwise(stream.times)) or [0.0]
        decode, total = max(used.values()), sum(used.values())
        seconds = time.perf_counter() - streams[0].began
        return {
            "process µs/token": total / tokens * 1e6,
            "overhead µs/token": (total - decode) / tokens * 1e6,
            "of it main thread": used[str(server.pid)] / tokens * 1e6,
            "tokens/s": tokens / seconds,
            "first token ms": statistics.median(s.times[0] - s.began for s in streams) * 1e3,
            "gap p99 ms": gaps[int(0.99 * (len(gaps) - 1))] * 1e3,
        }

    async def gap(self, kind: str) -> Figures:
        """Measure the longest gap of four streams while a long prompt is processed."""
        streams = [await self.open(kind, CONTEXT - 500) for _ in range(4)]
        await asyncio.gather(*(stream.has_text.wait() for stream in streams))
        long = await self.open(kind, 8, LONG_PROMPT)
        await long.over
        for stream in streams:
            stream.transport.abort()
        await self.idle(kind)
        first = long.times[0]
        pairs = [pair for stream in streams for pair in itertools.pairwise([*stream.times, first])]
        longest = max(b - a for a, b in pairs if b > long.began and a < first)
        return {"longest gap ms": longest * 1e3, "first token ms": (first - long.began) * 1e3}

    async def cancel(self, kind: str) -> Figures:
        """Measure how long the server computes for a client that disconnected amid a prompt."""
        stream = await self.open(kind, 8, LONG_PROMPT)
        await asyncio.sleep(0.25)
        assert not stream.times
        stream.transport.abort()
        disconnected = time.perf_counter()
        return {"until idle ms": (await self.idle(kind) - disconnected) * 1e3}

    async def idle(self, kind: str) -> float:
        """Wait until the server takes hardly any CPU time; return since when."""
        used, last = 0.0, time.perf_counter()
        while (now := time.perf_counter()) - last < IDLE_SECONDS:
            await asyncio.sleep(0.001)
            if (total := sum(self._servers[kind].threads().values())) > used + IDLE_CPU:
                used, last = total, now
        return last


def measure(bench: Bench, rounds: int, only: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Return the figures of the rounds, by row and kind."""
    scenarios = {f"{count} streams": partial(bench.streams, count=count) for count in STREAMS}
    scenarios |= {"gap": bench.gap, "cancel": bench.cancel}
    scenarios = {name: scenarios[name] for name in only or scenarios}
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(rounds + 1):
        for scenario, run in scenarios.items():
            for kind in list(PATHS)[:: -1 if number % 2 else 1]:
                figures = uvloop.run(run(kind))
                if number:
                    for name, figure in figures.items():
                        found[f"{scenario}: {name}"][kind].append(figure)
    return found


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """Return the medians in Markdown, with the ratios to `completions`."""
    lines = [f"| | {' | '.join(PATHS)} |", f"|---|{'---|' * len(PATHS)}"]
    for row, by_kind in found.items():
        cells = []
        for figures in map(by_kind.__getitem__, PATHS):
            ratios = [a / b for a, b in zip(figures, by_kind["completions"], strict=True) if b]
            ratio = f" ({statistics.median(ratios):.2f} ×)" if ratios else ""
            cells.append(f"{statistics.median(figures):,.1f}{ratio}")
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=200, help="of each answer")
    parser.add_argument("--model", default=str(model_path()), help="a GGUF file")
    parser.add_argument(
        "--chat-template", default="", help="instead of the file's own; a base model has none"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help='such as "4 streams" or gap')
    parser.add_argument("--headrace", default=sys.executable, help="the Python that runs Headrace")
    parser.add_argument("--peer", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        serve_peer(options.peer, options.model, options.chat_template, options.threads)
        return
    with ExitStack() as running:
        ours, floors, peers = free_port(), free_port(), free_port()
        model = ["--model", options.model, "--threads", str(options.threads)]
        model += ["--chat-template", options.chat_template] if options.chat_template else []
        serve = ["serve", "--slots", str(SLOTS), "--context", str(CONTEXT), "--port", str(ours)]
        headrace = start([options.headrace, "-m", "headrace", *serve, *model], ours, running)
        least = [str(floors), options.model, str(SLOTS), str(CONTEXT), str(options.threads)]
        floor = start([sys.executable, str(FLOOR), *least], floors, running)
        peer = start([sys.executable, __file__, "--peer", str(peers), *model], peers, running)
        servers = {"headrace": headrace, "floor": floor, "chat": peer, "completions": peer}
        load_before = os.getloadavg()[0]
        found = measure(Bench(servers, options.tokens), options.rounds, options.only)
    print(f"load average {load_before:.1f} before, {os.getloadavg()[0]:.1f} after; {options.rounds} rounds\n")
    print(table(found))


if __name__ == "__main__":
    main()
