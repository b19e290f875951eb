"""A server process with limits whose only turn emits an event and is silent then; see limits/test_leases.py.

Arguments: the store's address and the lease. Writes "started", and the last event of the turn's log as JSON.
"""

import asyncio
import json
import sys

import msgspec

from continuing_engine import ContinuingEngine
from headrace.limits import Admission, KeyLimits, LimitedEngine, LimitSettings, open_limiter
from headrace.turns import TurnRegistry, TurnSettings, open_store
from plans import planner
from processes import start
from waiting import until_async

__all__ = []


def write(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def main(address, lease):
    limits, settings = LimitSettings(max_in_flight=1), TurnSettings(store=address, lease=float(lease))
    admission = Admission(open_limiter(lambda: limits, settings), lambda: limits, lambda _: KeyLimits())
    engine = ContinuingEngine("abcd")
    engine.pause_after(1)
    plan = planner(LimitedEngine(engine, "glm", admission))
    registry = TurnRegistry(open_store(settings), plan, settings, [admission])
    turn = await start(registry, resumable=False)
    reader = turn.reader()
    await until_async(lambda: turn.log.count)
    write("started")
    await until_async(lambda: turn.log.is_finished)
    reader.close()
    write(msgspec.to_builtins(turn.log.last))
    await registry.close()
    await admission.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
