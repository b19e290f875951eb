"""Several server processes with limits over one store, simulated in one process."""

from typing import NamedTuple

import pytest

from headrace.limits import Admission, KeyLimits, LimitedEngine, LimitSettings, open_limiter
from headrace.turns import TurnRegistry, TurnSettings
from plans import planner
from turn_stores import settings

__all__ = ["LimitedServer", "open_server"]


class LimitedServer(NamedTuple):
    """A process: its turns, its admission, and the outcomes of the turns that it has ended."""

    registry: TurnRegistry
    admission: Admission
    outcomes: list


class Outcomes(list):
    """An observer that keeps what it receives."""

    finished = list.append


@pytest.fixture
async def open_server(open_stores, store_name):
    """Opens a server with an engine of its own, and limits; `key` has the limits of every API key."""
    opened = []

    def open_one(engine, key=None, *, lease=2.0, **limits):
        chosen = LimitSettings(**limits)
        store = TurnSettings(store=store_name, lease=lease)
        admission = Admission(
            open_limiter(lambda: chosen, store), lambda: chosen, lambda _: key or KeyLimits()
        )
        outcomes = Outcomes()
        plan = planner(LimitedEngine(engine, "glm", admission))
        registry = TurnRegistry(open_stores(lease=lease), plan, settings(lease=lease), [admission, outcomes])
        opened.append(LimitedServer(registry, admission, outcomes))
        return opened[-1]

    yield open_one
    for server in opened:
        await server.registry.close()
        await server.admission.close()
