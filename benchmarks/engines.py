"""The cost of reading an upstream: CPU per chunk, compared with other ways to read the same stream.

A separate process sends chunks of about 280 bytes, as vLLM does. They are read
    bytes        by aiohttp, and discarded: the lower bound
    json.loads   by aiohttp, split at blank lines, each decoded: the minimum of a proxy
    httpx2       by httpx2, line by line, each decoded
    chat         by the engine `chat` with timeouts and load balancer, to events
    completions  by the engine `completions`, likewise
burst: one stream without pauses. paced: a hundred streams with 50 chunks per second each, one write per
chunk. Rounds are interleaved; the figures are CPU time of this process, the median of the rounds, and the
ratio to `bytes`.

    python benchmarks/engines.py [--rounds 5] [--seconds 3]
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp  # for the comparison: pip install aiohttp
import httpx2
import msgspec
import uvloop

from headrace.engines import Generation
from headrace.engines.http import HttpTransport
from headrace.engines.load_balancer import LoadBalancer
from headrace.engines.protocols import DIALECTS, Chat, Completions, Protocol
from headrace.engines.protocols.error_mapping import Upstream
from headrace.engines.timeouts import TimeoutEngine, Timeouts
from headrace.engines.upstream import UpstreamEngine
from headrace.errors import HeadraceError
from headrace.events import Event
from headrace.wire import decode_request

BURST = 20_000
STREAMS = 100
PACE = 0.02
REQUEST = decode_request(
    msgspec.json.encode(
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True, "tool_stream": True}
    )
)
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
)
Read = Callable[[str], Awaitable[None]]
"""Reads one stream, from a base URL."""


def frames(path: str, count: int) -> list[bytes]:
    """Return the SSE events of a stream: a third is reasoning; finish reason and usage follow."""
    head = {
        "id": "chatcmpl-5f3c1e0b9a7d4c2e8f6a1b3c5d7e9f01",
        "created": 1795236889,
        "model": "zai-org/GLM-4.6",
    }
    usage = {"prompt_tokens": 9, "completion_tokens": count, "total_tokens": count + 9}

    def frame(choices: list[object], **more: object) -> bytes:
        body = {**head, "object": "chat.completion.chunk", "choices": choices, **more}
        return b"data: %b\n\n" % json.dumps(body).encode()

    events = []
    for number in range(count):
        if path.startswith("chat"):
            field = "reasoning" if number < count / 3 else "content"
            choice = {"index": 0, "delta": {field: " spring"}, "logprobs": None, "finish_reason": None}
        else:
            text = "<think>" if number == 0 else "</think>" if number == count // 3 else " spring"
            choice = {
                "index": 0,
                "text": text,
                "token_ids": [number],
                "finish_reason": None,
                "logprobs": None,
            }
        events.append(frame([choice], system_fingerprint="vllm-0.33.0-tp8"))
    last = {"index": 0, "delta": {}, "text": "", "finish_reason": "stop"}
    return [*events, frame([last]), frame([], usage=usage), b"data: [DONE]\n\n"]


async def serve() -> None:
    """Serve `POST /{count}/{pace}/…`: a stream of `count` chunks, `pace` seconds apart."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        await reader.readexactly(int(head.lower().partition("content-length:")[2].split()[0]))
        _, count, seconds, path = head.split()[1].split("/", 3)
        pace = float(seconds)
        chunks = [b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames(path, int(count))]
        writer.write(HEAD)
        if not pace:
            writer.write(b"".join(chunks))
        for chunk in chunks if pace else ():
            writer.write(chunk)
            await asyncio.sleep(pace)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def with_aiohttp(session: aiohttp.ClientSession, *, decoding: bool) -> Read:
    async def read(url: str) -> None:
        async with session.post(f"{url}/chat/completions", data=b"{}") as response:
            held = b""
            while data := await response.content.readany():
                if decoding:
                    *events, held = (held + data).split(b"\n\n")
                    for event in events:
                        if event != b"data: [DONE]":
                            json.loads(event[6:])

    return read


def with_httpx2(client: httpx2.AsyncClient) -> Read:
    async def read(url: str) -> None:
        async with client.stream("POST", f"{url}/chat/completions", content=b"{}") as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    json.loads(line[6:])

    return read


class _Sink:
    """Discards the events of a run."""

    def __init__(self, ended: asyncio.Future[None]) -> None:
        self._ended = ended

    def on_events(self, events: list[Event]) -> None:
        pass

    def on_end(self, error: HeadraceError | None) -> None:
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)


def with_engine(engines: dict[tuple[str, str], LoadBalancer], protocol: Protocol) -> Read:
    """Create an engine for each URL, wrapped as in a server, and append it to `engines`, to be closed."""

    async def read(url: str) -> None:
        key = (protocol.path, url)
        if key not in engines:
            engines[key] = LoadBalancer(
                [TimeoutEngine(UpstreamEngine(HttpTransport(url), protocol), Timeouts())]
            )
        ended = asyncio.get_running_loop().create_future()
        engines[key].start(Generation("", REQUEST), _Sink(ended))
        await ended

    return read


async def cpu_a_chunk(read: Read, url: str, streams: int, count: int) -> float:
    """Return the CPU time of this process per chunk, in µs."""
    began = time.process_time()
    await asyncio.gather(*(read(url) for _ in range(streams)))
    return (time.process_time() - began) / streams / count * 1e6


async def measure(port: int, rounds: int, seconds: float) -> None:
    source = Upstream("the benchmark")
    engines: dict[tuple[str, str], LoadBalancer] = {}
    async with aiohttp.ClientSession() as session, httpx2.AsyncClient(trust_env=False) as client:
        ways = {
            "bytes": with_aiohttp(session, decoding=False),
            "json.loads": with_aiohttp(session, decoding=True),
            "httpx2": with_httpx2(client),
            "chat": with_engine(engines, Chat(DIALECTS["vllm"], source, model="m")),
            "completions": with_engine(engines, Completions(DIALECTS["vllm"], source)),
        }
        paced = int(seconds / PACE)
        scenarios = {"burst": (1, BURST, 0.0), "paced": (STREAMS, paced, PACE)}
        took: dict[tuple[str, str], list[float]] = {}
        for number in range(rounds + 1):
            for scenario, (streams, count, pace) in scenarios.items():
                for way, read in ways.items():
                    cost = await cpu_a_chunk(read, f"http://127.0.0.1:{port}/{count}/{pace}", streams, count)
                    if number:  # the first round warms up
                        took.setdefault((scenario, way), []).append(cost)
    for engine in engines.values():
        await engine.close()
    print(f"{'CPU µs a chunk':>16} {'burst':>8} {'ratio':>6} {'paced':>8} {'ratio':>6}")
    for way in ways:
        cells = []
        for scenario in scenarios:
            costs, floor = took[scenario, way], took[scenario, "bytes"]
            ratio = statistics.median(cost / least for cost, least in zip(costs, floor, strict=True))
            cells.append(f"{statistics.median(costs):8.2f} {ratio:6.2f}")
        print(f"{way:>16} {' '.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each paced run")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(serve())
        return
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            uvloop.run(measure(int(server.stdout.readline()), arguments.rounds, arguments.seconds))
        finally:
            server.kill()


if __name__ == "__main__":
    main()
