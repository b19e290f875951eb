"""`…/chat/completions/{id}`: GET goes on reading a turn, DELETE stops it."""

from typing import Final

import msgspec

from headrace.errors import RequestError
from headrace.server.answer import Answerer, Position, headers_of
from headrace.server.exchange import Exchange
from headrace.server.keys import KeyRing
from headrace.turns import TurnRegistry

__all__ = ["ResumeEndpoint"]

_MOST_DIGITS: Final = 18


class ResumeEndpoint:
    """Reads turns again, and stops them.

    Args:
        turns: finds the turn.
        answerer: sends what is left of its answer.
        keys: whose turns they are.
    """

    def __init__(self, turns: TurnRegistry, answerer: Answerer, keys: KeyRing) -> None:
        self._turns = turns
        self._answerer = answerer
        self._keys = keys

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        exchange.check_method("GET", "DELETE")
        owner = self._keys.check(_credentials(exchange))
        id = exchange.path.rpartition("/")[2]
        if exchange.method == "GET":
            after = _position(exchange)
            turn = await self._turns.find(id, owner)
            await self._answerer.stream(exchange, turn, numbered=True, after=after)
        else:
            turn = await self._turns.find(id, owner)
            turn.stop()
            if answer := await self._answerer.whole(exchange, turn, partial=True):
                encoded = msgspec.json.encode(answer, order="sorted")
                await exchange.send_json(encoded, headers=headers_of(turn, asked=False))


def _position(exchange: Exchange) -> Position:
    """How far the client has read. A browser that reconnects sends the header; it is the newer one.

    Raises:
        RequestError: 1214, that is no number of events.
    """
    name, value = "Last-Event-ID", exchange.headers.get("last-event-id", "")
    if not value:
        name, value = "after", exchange.query.get("after", "0")
    if not (value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
        msg = f'{name} is "{value[:40]}"; it must be the `id` of an event of this turn, or 0 for all of them'
        raise RequestError(msg)
    return Position(int(value), name)


def _credentials(exchange: Exchange) -> dict[str, str]:
    """A browser's EventSource sends no headers of ours: it may put a signed token into the query.

    Only a token, because addresses end up in logs, and a token expires.
    """
    token = exchange.query.get("token", "")
    if exchange.method == "GET" and token.count(".") == 2 and "authorization" not in exchange.headers:
        return {**exchange.headers, "authorization": f"Bearer {token}"}
    return exchange.headers
