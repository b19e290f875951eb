"""Shared stores between real processes: of several that compete, one succeeds."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from headrace.events import Text
from store_process import ROUNDS
from turn_stores import header, shared

TESTS = Path(__file__).parents[1]
NAMES = "abcd"


def compete(address):
    """Run the processes; return the results of each."""
    command = [sys.executable, "store_process.py", address]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([*command, name], cwd=TESTS, **pipes) for name in NAMES]
    try:
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * len(NAMES)
        start = f"{time.time() + 0.1}\n"
        for process in processes:
            process.stdin.write(start)
            process.stdin.flush()
        return [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@shared
async def test_in_every_race_between_processes_exactly_one_succeeds(store_name, open_stores):
    store = open_stores()
    for number in range(ROUNDS):
        await store.create(header(f"written-{number}"), b"")
        await store.create(header(f"taken-{number}"), b"")
    results = await asyncio.to_thread(compete, store_name)

    for number in range(ROUNDS):
        created = {result["created"][number] for result in results}
        assert len(created) == 1
        loaded = [await store.load(f"created-{number}-{name}") for name in NAMES]
        assert [turn.header.id for turn in loaded if turn] == [*created]

        written = (await store.load(f"written-{number}")).tail
        assert (len(written.events), written.cursor.position) == (1, 1)

        taken_over = [result["taken_over"][number] for result in results]
        assert taken_over.count(True) == 1
        winner = NAMES[taken_over.index(True)]
        appended = [result["appended"][number] for result in results]
        assert appended == ["NoneType" if name == winner else "Fenced" for name in NAMES]
        assert (await store.load(f"taken-{number}")).tail.events == [Text(winner)]
