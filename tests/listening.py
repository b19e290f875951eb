"""Listeners for tests: a run as an asynchronous iterator, and an engine made of one."""

import asyncio
from contextlib import aclosing

from headrace.engines.playback import Playback

__all__ = ["GeneratedEngine", "Listening", "collect", "listen"]


class Listening:
    """Records what a run emits, and checks the contract: no events after the end, and one end."""

    def __init__(self):
        self.events = []
        self.lists = asyncio.Queue()
        self.ended = asyncio.get_running_loop().create_future()

    def on_events(self, events):
        assert not self.ended.done(), "events after the end"
        self.events += events
        self.lists.put_nowait(events)

    def on_end(self, error):
        assert not self.ended.done(), "a second end"
        self.ended.set_result(error)
        self.lists.put_nowait(None)


async def listen(engine, generation):
    """The lists of events of a run, as they come. Closing the iterator stops it, and waits until it has stopped."""
    listening = Listening()
    run = engine.start(generation, listening)
    try:
        while (events := await listening.lists.get()) is not None:
            yield events
        if error := listening.ended.result():
            raise error
    finally:
        run.stop()
        await asyncio.shield(listening.ended)


async def collect(engine, generation):
    """Every event of a run."""
    async with aclosing(listen(engine, generation)) as lists:
        return [event async for events in lists for event in events]


class GeneratedEngine:
    """An engine whose `generate` is an asynchronous generator of lists of events."""

    continues = True

    def token_limit(self, generation):
        return generation.request.max_tokens

    def start(self, generation, listener):
        return Playback(self.generate(generation), listener.on_events, listener.on_end)

    async def check(self):
        pass

    async def close(self):
        pass
