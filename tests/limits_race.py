"""Processes that share limits and are killed at random; see limits/test_limiter_faults.py and benchmarks/limits.py.

As a program, this is one of the processes: it enters turns, runs each for a while, and writes a line for all that
happens: "enter", "start" or "end", the turn's id and the time, by the clock that all processes share.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from typing import NamedTuple

from headrace.documents import open_documents
from headrace.limits import Granted, Ledger, LimitSettings, SharedLimiter
from headrace.turns import TurnSettings
from tickets import ticket

__all__ = ["Race", "Result", "compete"]

KEY = "key"


class Race(NamedTuple):
    """What takes place.

    Args:
        store: the address of an empty store.
        processes: how many run at a time.
        limit: turns in flight.
        turns: in total; those of killed processes are entered again.
        duration: mean seconds that a turn runs.
        lease: in seconds.
        kills: how many processes are killed.
        interval: seconds between them.
    """

    store: str
    processes: int
    limit: int
    turns: int
    duration: float
    lease: float
    kills: int
    interval: float

    def settings(self):
        return LimitSettings(max_in_flight=self.limit, max_queued=0)


class Result(NamedTuple):
    """What was seen.

    Args:
        most_slots: in any version of the documents that was read.
        unused_slots: versions that had waiting turns and fewer slots than the limit.
        most_running: turns that ran at the same time, by the times of their processes.
        longest_gap: seconds since the last kill for which fewer ran than possible while others waited.
        ended: number of turns.
    """

    most_slots: int
    unused_slots: int
    most_running: int
    longest_gap: float
    ended: int


async def run(race, name, ids):
    """Be one of the processes: enter all turns at once."""
    documents = open_documents(TurnSettings(store=race.store), "limits")
    limiter = SharedLimiter(documents, race.settings, lease=race.lease, process=name, retry_timeout=30.0)

    def write(event, id):
        os.write(1, f"{event} {id} {time.monotonic()}\n".encode())

    async def run_turn(id):
        granted = asyncio.Event()
        write("enter", id)
        limiter.enter(ticket(id, key=KEY), lambda decision: granted.set() if decision == Granted() else None)
        await granted.wait()
        write("start", id)
        await asyncio.sleep(race.duration * random.uniform(0.5, 1.5))
        write("end", id)
        limiter.settle(id, KEY, 100)

    await asyncio.gather(*map(run_turn, ids))
    await limiter.close()


async def compete(race, seed=0):
    """Run the race; return what was seen."""
    chance = random.Random(seed)
    crowd = Crowd(race)
    ids = [f"turn-{number}" for number in range(race.turns)]
    for place in range(race.processes):
        await crowd.start(ids[place :: race.processes])
    observer = asyncio.create_task(observe(race, crowd))
    for _ in range(race.kills):
        await asyncio.sleep(race.interval * chance.uniform(0.5, 1.5))
        if crowd.living:
            await crowd.kill(chance.choice(sorted(crowd.living)))
    while crowd.living:
        await asyncio.gather(*(process.ends for process in crowd.living.values()))
    most_slots, unused_slots = await observer
    return Result(most_slots, unused_slots, *judge(race, crowd.events))


class Process(NamedTuple):
    """A process, the turns that it is to run, and the reader of what it writes, until its end."""

    process: asyncio.subprocess.Process
    ids: list
    ends: asyncio.Task


class Crowd:
    """The processes of a race.

    Args:
        race: which.
    """

    def __init__(self, race):
        self.race = race
        self.events = []  # (time, event, turn)
        self.living = {}
        self.started = 0

    async def start(self, ids):
        self.started += 1
        name = f"process-{self.started}"
        arguments = json.dumps([self.race, name, ids])
        process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, arguments, stdout=asyncio.subprocess.PIPE
        )
        self.living[name] = Process(process, ids, asyncio.create_task(self.read(name, process)))

    async def read(self, name, process):
        async for line in process.stdout:
            event, id, at = line.decode().split()
            self.events.append((float(at), event, id))
        await process.wait()
        self.living.pop(name, None)

    async def kill(self, name):
        """Kill a process, and let another run what it has not ended."""
        process, ids, ends = self.living[name]
        process.kill()
        await ends
        ended = {id for _, event, id in self.events if event == "end"}
        left = [id for id in ids if id not in ended]
        self.events += [(time.monotonic(), "killed", id) for id in left]
        if left:
            await self.start([f"{id}+" for id in left])


async def observe(race, crowd):
    """Read the documents again and again; return the most slots, and how often there were too few."""
    documents = open_documents(TurnSettings(store=race.store), "limits")
    most = unused = 0
    while crowd.living:
        snapshot = await documents.read(Ledger.documents_of([]))
        ledger = Ledger(race.settings(), race.lease, snapshot.values)
        slots = ledger.usage(KEY, snapshot.now).in_flight
        most = max(most, slots)
        unused += ledger.has_waiting and slots < race.limit
        await asyncio.sleep(0.005)
    await documents.close()
    return most, unused


def judge(race, events):
    """Return the most turns that ran at a time, the longest time with too few, and how many have ended."""
    states, most, gap, since = {}, 0, 0.0, None
    for at, event, id in sorted(events):
        states[id] = event
        counts = Counter(states.values())
        most = max(most, counts["start"])
        if since is not None:
            gap = max(gap, at - since)
        is_short = counts["enter"] and counts["start"] < race.limit
        if not is_short:
            since = None
        elif since is None or event == "killed":
            since = at
    return most, gap, Counter(states.values())["end"]


if __name__ == "__main__":
    race, name, ids = json.loads(sys.argv[1])
    asyncio.run(run(Race(*race), name, ids))
