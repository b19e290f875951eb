"""An engine whose answer depends on the question, and the texts of such answers."""

import asyncio

from headrace.events import Finish, Progress, Text, TokenUsage
from listening import GeneratedEngine

__all__ = ["AnsweringEngine"]

POEM = """<think>The user wants a poem about spring. I should keep it short, and mention rain.</think>
## Spring

Soft **rain** taps the window, and *all at once*
the garden remembers its colours:

- green for the moss,
- white for the plum,
- and `#ffd700` for the daffodils.

> Nothing is so beautiful as Spring.
"""
WEATHER = """<think>I need the weather.</think>I will look it up.
<tool_call>get_weather
<arg_key>location</arg_key>
<arg_value>Reykjavík</arg_value>
<arg_key>note</arg_key>
<arg_value>wind and rain, hour by hour, until tomorrow evening</arg_value>
</tool_call>"""


class AnsweringEngine(GeneratedEngine):
    """Emits `answers[question]`; in a list of pieces, an event is emitted, and an exception raised.

    Set `pause_at` to hold each generation at this piece and the later ones, until `go_on()`. `step()` lets those go on
    that are held now, to their next piece.
    """

    loop = None

    def __init__(self, *, piece=6, delay=0.002):
        self.answers = {"poem": POEM, "weather": WEATHER}
        self.default = "This is the answer."
        self.piece, self.delay = piece, delay
        self.pause_at = None
        self.go = asyncio.Event()
        self.generations = []
        self.stopped = 0

    def go_on(self):
        self.pause_at = None
        self.call(self.go.set)

    def step(self):
        self.call(lambda: (self.go.set(), self.go.clear()))

    def call(self, function):
        if self.loop is None:
            function()
        else:
            self.loop.call_soon_threadsafe(function)

    async def generate(self, generation):
        self.generations.append(generation)
        self.loop = asyncio.get_running_loop()
        last = generation.request.messages[-1]
        question = (
            last.content if isinstance(last.content, str) else "".join(part.text for part in last.content)
        )
        script = self.answers.get(question, self.default) if last.role == "user" else "The tool has answered."
        pieces = script
        if isinstance(script, str):
            pieces = [script[at : at + self.piece] for at in range(0, len(script), self.piece)]
        skipped = len("".join(text.text for text in generation.prefix))
        try:
            yield [Progress(12, 12)]
            for number, piece in enumerate(pieces):
                if self.pause_at is not None and number >= self.pause_at:
                    await self.go.wait()
                if isinstance(piece, Exception):
                    raise piece  # noqa: TRY301
                if isinstance(piece, Progress):
                    yield [piece]
                    continue
                if skipped >= len(piece):
                    skipped -= len(piece)
                    continue
                await asyncio.sleep(self.delay)
                yield [Text(piece[skipped:])]
                skipped = 0
            yield [Finish("stop", TokenUsage(12, len(pieces)))]
        except BaseException:
            self.stopped += 1
            raise
