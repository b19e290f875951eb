"""An endpoint in virtual time: each request is answered by a script of waits and bytes."""

import asyncio
import json

from headrace.benchmarking.meter import Meter
from headrace.checking import Response

__all__ = ["DONE", "TimedEndpoint", "chunk", "frame", "measure", "streamed", "usage"]

DONE = b"data: [DONE]\n\n"


def frame(value):
    return f"data: {json.dumps(value)}\n\n".encode()


def chunk(delta=None, reason=None):
    return frame({"choices": [{"index": 0, "delta": delta or {}, "finish_reason": reason}]})


def usage(prompt=10, output=3, cached=None, reasoning=None):
    details = {
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    known = {name: part for name, part in details.items() if None not in part.values()}
    counts = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    return frame({"choices": [], "usage": counts | known})


END = (chunk(reason="stop"), usage(), DONE)


def streamed(first=0.1, gap=0.1, number=3, ending=END):
    """A script: `number` deltas, the first after `first` seconds, and an ending."""
    deltas = [part for n in range(number) for part in (gap if n else first, chunk({"content": "x"}))]
    return [*deltas, b"".join(ending)]


def measure(response, delay=0.0, api="chat"):
    """The sample of a response that was kept."""
    meter = Meter(api)
    for at, data in response.pieces:
        meter.feed(response, at, data)
    return meter.finish(response, delay=delay)


class TimedEndpoint:
    """`script(endpoint, request)` returns waits in seconds, bytes, or a response without a stream."""

    def __init__(self, script):
        self.script = script
        self.requests = []
        self.running = 0

    async def send(self, request, feed=None):
        self.requests.append(json.loads(request.body or b"{}"))
        self.running += 1
        loop = asyncio.get_running_loop()
        sent = loop.time()
        response = Response(status=200, sent=sent)
        try:
            for step in self.script(self, request):
                if isinstance(step, Response):
                    step.sent = sent
                    for at, piece in step.pieces if feed else ():
                        feed(step, at, piece)
                    return step
                if isinstance(step, bytes):
                    at = loop.time() - sent
                    feed(response, at, step) if feed else response.pieces.append((at, step))
                    if len(response.pieces) == request.leave_after > 0:
                        break
                else:
                    await asyncio.sleep(step)
        finally:
            self.running -= 1
        response.seconds = loop.time() - sent
        return response
