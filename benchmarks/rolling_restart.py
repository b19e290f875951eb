"""Replicas behind nginx or HAProxy, with the configurations of deploy/, under load while something happens.

    python benchmarks/rolling_restart.py nginx
    python benchmarks/rolling_restart.py haproxy --streams 8 --words 60 --store redis
    python benchmarks/rolling_restart.py nginx --store redis --servers 3 --events restart,kill
    python benchmarks/rolling_restart.py nginx --events reload,reload,reload,reload,reload,cut

The servers share a store, and their upstream writes numbered words. Streams of the SDK run all the time; new
requests, on kept connections, come from the SDK and, if the servers are only restarted, from httpx, which
repeats nothing: complete answers and streams.

restart: every server gets SIGTERM, one when the one before is ready again
kill: a server gets SIGKILL, and is started again
reload: the proxy reads its configuration; its old processes end two seconds later, with their streams
cut: the proxy is stopped for a second

failed: requests that ended with an error, or without an answer
lost, twice: words that an answer lacks, or has more than once
differing: answers whose words, finish reason or usage are not those of the uninterrupted answer
generated twice: answers that were begun more than once
moved: answers that more than one server has written
"""

import argparse
import asyncio
import itertools
import json
import os
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent / "chaos"))

from deployment import Server, Store
from question import Question, numbers
from upstream import Upstream

from proxies import PROXIES, ProxyServer, find_program
from redis_server import is_installed
from zai import AsyncZaiClient

_CHAT: Final = "/api/paas/v4/chat/completions"
_HANGS_AFTER: Final = 300.0
LIMITS: Final = {"nginx": "worker_shutdown_timeout", "haproxy": "hard-stop-after"}
"""Of the old processes of a proxy after a reload."""


class Load:
    """The clients, and what they have seen.

    Args:
        proxy: to which they send their requests.
        upstream: knows the questions.
    """

    def __init__(self, proxy: ProxyServer, upstream: Upstream) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.longest_gap = 0.0
        self.longest_request = 0.0
        self.is_over = False
        self._upstream = upstream
        self._names = itertools.count()
        self._sdk = AsyncZaiClient(api_key="any.key", base_url=f"{proxy.url}/api/paas/v4")
        context: ssl.SSLContext = proxy.context()
        self._httpx = httpx.AsyncClient(base_url=proxy.url, verify=context, trust_env=False, timeout=60)

    async def close(self) -> None:
        await self._sdk.close()
        await self._httpx.aclose()

    async def stream_always(self, words: int, pace: float) -> None:
        """Read one answer after the other."""
        while not self.is_over:
            await self._check("stream, zai", self._sdk_stream, words, pace)

    async def request_often(self, rate: float, *, repeats: bool) -> None:
        """Start requests at a rate, with each client in turn; if `repeats`, only those that repeat them."""
        kinds = {"zai": self._sdk_complete, "zai, stream": self._sdk_stream}
        if not repeats:
            kinds |= {"httpx": self._httpx_complete, "httpx, stream": self._httpx_stream}
        async with asyncio.TaskGroup() as group:
            for name, ask in itertools.cycle(kinds.items()):
                if self.is_over:
                    break
                group.create_task(self._check(f"request, {name}", ask, 20, 0.05))
                await asyncio.sleep(1 / rate)

    async def _check(
        self, kind: str, ask: Callable[[Question], Awaitable[dict[str, Any]]], words: int, pace: float
    ) -> None:
        fields = {"max_tokens": words + 1}
        question = Question(f"q{next(self._names)}", words=words, expected=words, pace=pace, fields=fields)
        self._upstream.questions[question.name] = question
        self.counts[kind] += 1
        began = time.monotonic()
        try:
            async with asyncio.timeout(_HANGS_AFTER):
                answer = await ask(question)
        except Exception as error:  # noqa: BLE001, whatever it is, it is counted
            self.counts["failed"] += 1
            self.counts["lost"] += words
            self.faults.append(f"{kind}: failed after {time.monotonic() - began:.1f} s: {error!r}")
            return
        expected = {"words": list(range(words)), "reason": "stop", "usage": [1, words]}
        self.counts["lost"] += len(set(range(words)) - set(answer["words"]))
        self.counts["twice"] += len(answer["words"]) - len(set(answer["words"]))
        if answer != expected:
            self.counts["differing"] += 1
            self.faults.append(f"{kind}: {words} words expected, got {answer}")
        self.counts["generated twice"] += question.generations.count(0) > 1
        self.counts["moved"] += len(question.generations) > 1
        if "stream" not in kind:
            self.longest_request = max(self.longest_request, time.monotonic() - began - words * pace)

    async def _sdk_stream(self, question: Question) -> dict[str, Any]:
        stream = await self._sdk.chat.completions.create(stream=True, **question.body)
        return await self._fold(chunk.model_dump() async for chunk in stream)

    async def _sdk_complete(self, question: Question) -> dict[str, Any]:
        return _read((await self._sdk.chat.completions.create(**question.body)).model_dump())

    async def _httpx_complete(self, question: Question) -> dict[str, Any]:
        response = await self._httpx.post(_CHAT, json=question.body)
        response.raise_for_status()
        return _read(response.json())

    async def _httpx_stream(self, question: Question) -> dict[str, Any]:
        async with self._httpx.stream("POST", _CHAT, json={**question.body, "stream": True}) as response:
            response.raise_for_status()
            return await self._fold(_chunks(response))

    async def _fold(self, chunks: AsyncGenerator[dict[str, Any], None]) -> dict[str, Any]:
        """Join the chunks of a stream, and note the longest time between two."""
        whole: dict[str, Any] = {"message": {"content": ""}}
        before = time.monotonic()
        usage = {}
        async for chunk in chunks:
            now = time.monotonic()
            self.longest_gap, before = max(self.longest_gap, now - before), now
            choice = chunk["choices"][0]
            whole["message"]["content"] += choice["delta"].get("content") or ""
            whole["finish_reason"] = choice.get("finish_reason")
            usage = chunk.get("usage")
        return _read({"choices": [whole], "usage": usage})


async def _chunks(response: httpx.Response) -> AsyncGenerator[dict[str, Any], None]:
    async for line in response.aiter_lines():
        if line.startswith("data: {"):
            yield json.loads(line[6:])


def _read(completion: dict[str, Any]) -> dict[str, Any]:
    choice, usage = completion["choices"][0], completion["usage"]
    return {
        "words": numbers(choice["message"]["content"]),
        "reason": choice["finish_reason"],
        "usage": [usage["prompt_tokens"], usage["completion_tokens"]],
    }


@asynccontextmanager
async def _deployment(
    arguments: argparse.Namespace, folder: Path
) -> AsyncGenerator[tuple[list[Server], ProxyServer, Upstream]]:
    """Start the store, the upstream, two servers and the proxy."""
    store = Store(arguments.store, folder)
    store.start()
    upstream = Upstream(lambda _: None)
    options = ["--store", store.address, "--drain-delay", str(arguments.drain_delay)]
    numbers = range(arguments.servers)
    servers = [Server(folder, number, await upstream.listen(number), options) for number in numbers]
    limit = LIMITS[arguments.proxy]
    try:
        await asyncio.gather(*(server.start() for server in servers))
        with PROXIES[arguments.proxy](
            folder, [server.port for server in servers], {f"{limit} 10m": f"{limit} 2s"}
        ) as proxy:
            os.environ["SSL_CERT_FILE"] = str(proxy.authority)
            yield servers, proxy, upstream
    finally:
        for server in servers:
            server.kill()
        upstream.close()
        store.stop()


async def _run(arguments: argparse.Namespace, folder: Path) -> int:
    async with _deployment(arguments, folder) as (servers, proxy, upstream):
        load = Load(proxy, upstream)
        print(f"{arguments.servers} servers behind {arguments.proxy}, {arguments.streams} streams at a time")
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(arguments.streams):
                    group.create_task(load.stream_always(arguments.words, arguments.pace))
                if arguments.rate:
                    repeats = set(arguments.events) != {"restart"}
                    group.create_task(load.request_often(arguments.rate, repeats=repeats))
                await asyncio.sleep(arguments.settle)
                for event in arguments.events:
                    load.longest_gap = 0.0
                    await EVENTS[event](servers, proxy)
                    await asyncio.sleep(arguments.settle)
                    print(f"{event}: longest time between two chunks of a stream: {load.longest_gap:.2f} s")
                load.is_over = True
                print("waiting for the last answers …", flush=True)
        finally:
            await load.close()
    return _report(load)


async def _restart(servers: list[Server], _: ProxyServer) -> None:
    for server in servers:
        began = time.monotonic()
        await server.terminate()
        print(f"server {server.number} ended {time.monotonic() - began:.1f} s after SIGTERM")
        await server.start()
        await _until_ready(server.port)


async def _kill(servers: list[Server], _: ProxyServer) -> None:
    servers[0].kill()
    await servers[0].start()
    await _until_ready(servers[0].port)


async def _reload(_: list[Server], proxy: ProxyServer) -> None:
    proxy.reload()


async def _cut(_: list[Server], proxy: ProxyServer) -> None:
    await asyncio.to_thread(proxy.stop)
    await asyncio.sleep(1)
    await asyncio.to_thread(proxy.start)


EVENTS: Final = {"restart": _restart, "kill": _kill, "reload": _reload, "cut": _cut}


async def _until_ready(port: int) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        while (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _report(load: Load) -> int:
    for fault in load.faults[:20]:
        print(fault[:200], file=sys.stderr)
    results = {name: load.counts[name] for name in ("failed", "differing", "generated twice", "moved")}
    requests = {name: count for name, count in sorted(load.counts.items()) if "," in name}
    for name, count in (requests | results).items():
        print(f"{name:24}{count:6}")
    print(f"longest time that a request took beyond its words: {load.longest_request:.2f} s")
    print(f"lost {load.counts['lost']}, twice {load.counts['twice']}")
    return 1 if load.faults else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("proxy", choices=list(PROXIES))
    parser.add_argument("--store", choices=["sqlite", "redis"], default="sqlite")
    parser.add_argument("--servers", type=int, default=2, help="replicas (default: 2)")
    parser.add_argument(
        "--events",
        type=lambda text: text.split(","),
        default=["restart"],
        help=f"one after the other, separated by commas: {', '.join(EVENTS)} (default: restart)",
    )
    parser.add_argument("--streams", type=int, default=50, help="that run all the time (default: 50)")
    parser.add_argument("--words", type=int, default=200, help="of a stream (default: 200)")
    parser.add_argument("--pace", type=float, default=0.1, help="seconds for each word (default: 0.1)")
    parser.add_argument("--rate", type=float, default=5.0, help="new requests per second (default: 5)")
    parser.add_argument("--drain-delay", type=float, default=5.0, help="of the servers (default: 5)")
    parser.add_argument(
        "--settle", type=float, default=3.0, help="seconds before and after each event (default: 3)"
    )
    arguments = parser.parse_args()
    if find_program(arguments.proxy) is None:
        parser.error(
            f"{arguments.proxy} is not installed. On Debian and Ubuntu: apt install {arguments.proxy}"
        )
    if arguments.store == "redis" and not is_installed():
        parser.error(
            "there is neither redis-server nor valkey-server. On Debian and Ubuntu: apt install redis-server"
        )
    if unknown := set(arguments.events) - set(EVENTS):
        parser.error(f"--events: {', '.join(sorted(unknown))}: the events are {', '.join(EVENTS)}")
    with tempfile.TemporaryDirectory(prefix="rolling-") as folder:
        return asyncio.run(_run(arguments, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
