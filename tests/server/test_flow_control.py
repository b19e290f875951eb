"""A connection's flow control does what uvicorn's does, and takes memory only while its transport is full."""

import asyncio
from itertools import product

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from headrace.server.flow_control import LeanFlowControl


class Transport:
    def __init__(self):
        self.calls = []

    def pause_reading(self):
        self.calls.append("pause")

    def resume_reading(self):
        self.calls.append("resume")


async def after(flow_control, operations):
    """Return what a program can see after the operations: states, calls, and which `drain` has returned."""
    transport = Transport()
    flow = flow_control(transport)
    drains = []
    for operation in operations:
        if operation == "drain":
            drains.append(asyncio.ensure_future(flow.drain()))
        else:
            getattr(flow, operation)()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    returned = [drain.done() for drain in drains]
    for drain in drains:
        drain.cancel()
    return flow.read_paused, flow.write_paused, transport.calls, returned


@pytest.mark.parametrize("length", range(1, 6))
async def test_it_does_what_uvicorns_does(length):
    operations = "drain", "pause_writing", "resume_writing", "pause_reading", "resume_reading"
    for order in product(operations[: 5 if length < 4 else 3], repeat=length):
        assert await after(LeanFlowControl, order) == await after(FlowControl, order), order


async def test_a_connection_has_it_and_an_event_only_while_its_transport_is_full():
    flow = LeanFlowControl(Transport())
    assert not [value for value in vars(flow).values() if isinstance(value, asyncio.Event)]
    flow.pause_writing()
    assert [value for value in vars(flow).values() if isinstance(value, asyncio.Event)]
    flow.resume_writing()
    assert not [value for value in vars(flow).values() if isinstance(value, asyncio.Event)]
