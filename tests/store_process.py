"""A process that competes with others for turns in a shared store; see turns/test_store_processes.py.

Reads the start time of the first round from stdin, so that all processes begin each round together. Writes
its results as JSON.
"""

import asyncio
import json
import sys
import time

from headrace.events import Text
from headrace.turns import TurnSettings, open_store
from turn_stores import append, header

__all__ = ["ROUNDS"]

ROUNDS = 60
_INTERVAL = 0.01  # seconds


async def main(address, name):
    store = open_store(TurnSettings(store=address))
    await store.load("warm-up")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    start = float(sys.stdin.readline())
    results = {"created": [], "taken_over": [], "appended": []}
    for number in range(ROUNDS):
        while time.time() < start + number * _INTERVAL:  # no sleep: a timer would be too coarse
            pass
        created = header(f"created-{number}-{name}", request_id=f"request-{number}")
        results["created"].append(await store.create(created, b""))
        await append(store, f"written-{number}", (1, 0), [Text(name)])
        results["taken_over"].append(await store.take_over(f"taken-{number}", 2))
        fence = 2 if results["taken_over"][-1] else 1
        result = await append(store, f"taken-{number}", (fence, 0), [Text(name)])
        results["appended"].append(type(result).__name__)
    await store.close()
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
