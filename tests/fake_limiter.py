"""A limiter whose decisions are those of a test, and generations for it."""

import msgspec

from continuing_engine import ASSISTANT
from headrace.engines import Generation
from headrace.limits import Usage
from headrace.wire import decode_request

__all__ = ["FakeLimiter", "generation"]


class FakeLimiter:
    """Records its calls. `reports` has the callback of each turn."""

    def __init__(self):
        self.calls = []
        self.reports = {}

    def enter(self, ticket, report):
        self.calls.append(("enter", ticket.id))
        self.reports[ticket.id] = report

    def leave(self, id):
        self.calls.append(("leave", id))

    def settle(self, id, key, tokens):
        assert key == "me"
        self.calls.append(("settle", id, tokens))

    async def usage(self, key):
        return Usage(0, 0, 0, 0.0, 0.0)

    async def close(self):
        self.calls.append(("close",))


def generation(turn="t1", *, owner="me", prompt=f"question {ASSISTANT}", **fields):
    """The generation of a turn, with fields of the request."""
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    return Generation(prompt, decode_request(msgspec.json.encode(body)), owner=owner, turn=turn)
