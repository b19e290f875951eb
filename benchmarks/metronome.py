"""An engine with a fixed token rate, to measure everything except the model."""

import asyncio
import time
from collections.abc import AsyncGenerator

from headrace.engines import Generation, Listener, Run
from headrace.engines.playback import Playback
from headrace.events import Event, Finish, Text, TokenUsage

_PHASES = 10


class Metronome:
    """Emits text at a fixed rate. The streams are spread over ten phases, as those of a batching engine.

    Args:
        rate: fragments per second and stream; the text of each is the time at which it was emitted, in ns.
        pieces: the number of fragments of an answer.
    """

    continues = True

    def __init__(self, rate: float, pieces: int) -> None:
        self._period = 1 / rate
        self._pieces = pieces
        self._begun = 0
        self._beats: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None

    def token_limit(self, generation: Generation) -> int | None:
        """None: the number of pieces is fixed."""

    def start(self, generation: Generation, listener: Listener) -> Run:  # noqa: ARG002
        return Playback(self._play(), listener.on_events, listener.on_end)

    async def _play(self) -> AsyncGenerator[list[Event], None]:
        if self._task is None:
            loop = asyncio.get_running_loop()
            self._beats = [loop.create_future() for _ in range(_PHASES)]
            self._task = asyncio.create_task(self._tick())
        phase = self._begun % _PHASES
        self._begun += 1
        for _ in range(self._pieces):
            await asyncio.shield(self._beats[phase])
            yield [Text(f"{time.perf_counter_ns()} ")]
        yield [Finish("stop", TokenUsage(1, self._pieces))]

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        beat = 0
        began = loop.time()
        while True:
            beat += 1
            await asyncio.sleep(max(0.0, began + beat * self._period / _PHASES - loop.time()))
            phase = beat % _PHASES
            ended, self._beats[phase] = self._beats[phase], loop.create_future()
            ended.set_result(None)

    async def check(self) -> None:
        pass

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
