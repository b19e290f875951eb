"""The time to first token of a key that sends a short request per second, while another floods the server.

alone       nothing else runs
flood       the first key keeps 200 requests with long prompts open
user_ids    the same, with a `user_id` of 1,000 in each

The engine is scripted: it reads and writes at a fixed pace, whatever else runs, so that only the queue makes
a difference. A key may have half of the slots; with `--per-key 0` the first key may have all of them, and the
second waits until one of them is free.

    python benchmarks/fairness.py [--seconds 60] [--in-flight 8] [--per-key 4] [--store sqlite:FILE]
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import statistics
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Final

from headrace.engines import Generation, Listener, Run
from headrace.engines.playback import Playback
from headrace.events import Event, Finish, Text, TokenUsage
from headrace.formats import FORMATS
from headrace.limits import LimitSettings
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from headrace.turns import TurnSettings

FLOOD: Final = 200  # requests that the first key keeps open
USERS: Final = 1000
SHORT, LONG = 100, 2000  # words
READ_SECONDS: Final = 0.001  # for a word of the prompt
WRITE_SECONDS: Final = 0.02  # for a word of the answer
ANSWER: Final = 20  # words
TEMPLATE: Final = "{% for message in messages %}{{ message.content }}{% endfor %}"


class PacedEngine:
    """Reads and writes words at a fixed pace."""

    continues = False

    def token_limit(self, generation: Generation) -> int | None:
        return generation.request.max_tokens

    def start(self, generation: Generation, listener: Listener) -> Run:
        return Playback(self._play(generation.prompt.count(" ")), listener.on_events, listener.on_end)

    async def _play(self, words: int) -> AsyncGenerator[list[Event], None]:
        await asyncio.sleep(words * READ_SECONDS)
        for _ in range(ANSWER):
            yield [Text("word ")]
            await asyncio.sleep(WRITE_SECONDS)
        yield [Finish("stop", TokenUsage(words, ANSWER))]

    async def check(self) -> None:
        pass

    async def close(self) -> None:
        pass


async def ask(port: int, key: str, words: int, user: str = "") -> float:
    """Send a request and read its response; return the seconds to its first event."""
    message = {"role": "user", "content": "word " * words}
    request = {"model": "m", "messages": [message], "stream": True, "max_tokens": ANSWER}
    body = json.dumps(request | ({"user_id": user} if user else {})).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}.secret\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    asked = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        writer.write(head.encode() + body)
        received = b""
        while b"data: " not in received:
            if not (data := await reader.read(65536)):
                raise RuntimeError(received.decode())
            received += data
        seconds = time.perf_counter() - asked
        while await reader.read(65536):
            pass
    return seconds


async def flood(port: int, users: Iterator[str]) -> None:
    """Send requests with long prompts without end."""
    while True:
        await ask(port, "first", LONG, next(users))


async def measure(port: int, seconds: int, users: Iterator[str] | None) -> list[float]:
    """Return the times to first token of the second key, in ascending order."""
    others = [asyncio.create_task(flood(port, users)) for _ in range(FLOOD)] if users else []
    await asyncio.sleep(2.0 if others else 0.0)
    began = time.perf_counter()
    asking = []
    for number in range(seconds):
        await asyncio.sleep(began + number - time.perf_counter())
        asking.append(asyncio.create_task(ask(port, "second", SHORT)))
    times = sorted(await asyncio.gather(*asking))
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    return times


async def main(options: argparse.Namespace) -> None:
    limits = LimitSettings(
        max_in_flight=options.in_flight,
        max_in_flight_per_key=options.per_key,
        max_queued=2 * FLOOD,
        queue_timeout=0.0,
    )
    settings = Settings(
        api_keys=("first.secret", "second.secret"), limits=limits, turns=TurnSettings(store=options.store)
    )
    model = Model(("m",), PacedEngine(), FORMATS["text"], ChatTemplate(TEMPLATE))
    scenarios: dict[str, Iterator[str] | None] = {
        "alone": None,
        "flood": itertools.repeat(""),
        "user_ids": (f"user-{number % USERS:04}" for number in itertools.count()),
    }
    with LocalServer(App(ModelRegistry([model]), settings)) as server:
        port = int(server.url.rpartition(":")[2])
        print(f"{'ms':>10} {'median':>8} {'p99':>8}")
        for name, users in scenarios.items():
            times = [1e3 * seconds for seconds in await measure(port, options.seconds, users)]
            print(f"{name:>10} {statistics.median(times):8.0f} {times[int(0.99 * len(times))]:8.0f}")
            await asyncio.sleep(1.0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--in-flight", type=int, default=8)
    parser.add_argument("--per-key", type=int, default=4)
    parser.add_argument("--store", default="memory")
    asyncio.run(main(parser.parse_args()))
