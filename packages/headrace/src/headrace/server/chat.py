"""`POST …/chat/completions`: a request becomes a turn, and the turn an answer."""

import msgspec

from headrace.server.answer import RESUMABLE, Answerer, headers_of
from headrace.server.exchange import Exchange
from headrace.server.keys import KeyRing
from headrace.server.settings import Settings
from headrace.turns import TurnRegistry
from headrace.wire import decode_request

__all__ = ["ChatEndpoint"]


class ChatEndpoint:
    """The chat endpoint.

    Args:
        turns: starts the turn.
        answerer: sends its answer.
        keys: who may call.
        settings: limits, and whether every turn is resumable.
    """

    def __init__(self, turns: TurnRegistry, answerer: Answerer, keys: KeyRing, settings: Settings) -> None:
        self._turns = turns
        self._answerer = answerer
        self._keys = keys
        self._max_body = settings.max_body
        self._is_always_resumable = settings.turns.resume == "always"

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        exchange.check_method("POST")
        owner = self._keys.check(exchange.headers)
        body = await exchange.body(self._max_body)
        request = decode_request(body)
        resumable = self._is_always_resumable or exchange.headers.get(RESUMABLE) == "1"
        turn = await self._turns.start(request, body, owner, resumable=resumable)
        if request.stream:
            await self._answerer.stream(exchange, turn, numbered=resumable)
        elif answer := await self._answerer.whole(exchange, turn):
            encoded = msgspec.json.encode(answer, order="sorted")
            await exchange.send_json(encoded, headers=headers_of(turn, asked=resumable))
