"""What a request refers to: a response by `previous_response_id`, items by `item_reference`."""

from typing import Any, Final

from headrace.errors import RequestError
from headrace.response_encoder import turn_id_of
from headrace.server.request_reader import Workers
from headrace.server.responses_api import read_so_far
from headrace.turns import TurnRegistry
from headrace.turns.store import GoneError
from headrace.wire.decode_request import decode_body
from headrace.wire.expected import show
from headrace.wire.responses.request import History, form_of

__all__ = ["ResponseHistory"]

_PREVIOUS: Final = "previous_response_id"
_REFERENCE: Final = "item_reference"
_WORDS: Final = (_PREVIOUS.encode(), _REFERENCE.encode())
_SMALL: Final = 4096  # bytes
_MAX_REFERENCED: Final = 64  # responses


class ResponseHistory:
    """Finds responses by the ids in a request.

    Args:
        turns: of the server.
        workers: decode large bodies.
        max_size: the limit of a body in bytes, which a conversation has as well.
    """

    def __init__(self, turns: TurnRegistry, workers: Workers, max_size: int) -> None:
        self._turns = turns
        self._max_size = max_size
        self._workers = workers

    async def find(self, body: bytearray, owner: str) -> History:
        """Return what a request refers to.

        Raises:
            RequestError: 1214, the previous response is not this owner's, has not ended, or is gone; or the
                request refers to items of too many responses. An unknown item is missing in the result.
        """
        if not any(word in body for word in _WORDS):
            return History()
        is_small = len(body) <= _SMALL
        fields = decode_body(body) if is_small else await self._workers.run(decode_body, body)
        history = History(max_size=self._max_size)
        if isinstance(previous := fields.get(_PREVIOUS), str):
            history.items = await self._conversation(previous, owner)
        await self._add_references(history, fields.get("input"), owner)
        return history

    async def _conversation(self, id: str, owner: str) -> list[Any]:
        """Return the input and the output of a response."""
        try:
            turn = await self._turns.find(turn_id_of(id), owner)
        except RequestError as error:
            reason = error.reason if isinstance(error, GoneError) else "this key has no such response"
            msg = f"{_PREVIOUS} is {show(id)}; {reason}; send the whole input"
            raise RequestError(msg, status=400) from None
        if not turn.log.is_finished:
            raise RequestError(f"{_PREVIOUS} is {show(id)}, which has not ended yet; wait for it")
        output = read_so_far(turn).response["output"]
        # A call that was cut off has no result, and never will.
        complete = [item for item in output if item["status"] == "completed" or item["type"] == "message"]
        return [*form_of(turn.request).input, *complete]

    async def _add_references(self, history: History, items: Any, owner: str) -> None:
        ids = [
            item["id"]
            for item in (items if isinstance(items, list) else ())
            if isinstance(item, dict) and item.get("type") == _REFERENCE and isinstance(item.get("id"), str)
        ]
        turns = dict.fromkeys(map(turn_id_of, ids))
        if len(turns) > _MAX_REFERENCED:
            msg = f"input has references to items of {len(turns)} responses; send the items themselves"
            raise RequestError(msg)
        for id in turns:
            try:
                turn = await self._turns.find(id, owner)
            except RequestError:
                continue  # the decoder decides whether the item can be left out
            known = [*read_so_far(turn).response["output"], *form_of(turn.request).input]
            history.referenced |= {item["id"]: item for item in known if isinstance(item.get("id"), str)}
