"""Anthropic's Messages API, and its endpoint that counts tokens."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from math import ceil
from typing import Any, Final

import msgspec

from headrace.errors import HeadraceError, LimitError, RequestError
from headrace.events import Event, Finish
from headrace.message_events import MessageEncoder
from headrace.models import ModelRegistry
from headrace.options import OptionError
from headrace.server.connection import ErrorResponse, Header, HttpConnection, error_headers
from headrace.server.request_reader import RequestReader
from headrace.turns import Turn
from headrace.turns.log import MemoryLog
from headrace.wire.messages import (
    MessageOptions,
    decode_count_request,
    decode_message_request,
    fold_message,
)
from headrace.wire.messages.errors import error_of, status_of
from headrace.wire.sources import Decoded

__all__ = ["CountTokensEndpoint", "MessagesApi"]

_MAX_RETRY_AFTER: Final = 59
"""Seconds: Claude Code ends its turn instead of waiting for longer."""


class MessagesApi:
    """The Messages API.

    Args:
        models: the served models.
        names: as in the option `claude_models`.

    Raises:
        OptionError: one of the names stands for a model that is not served.
    """

    id_prefix = "msg_"

    def __init__(self, models: ModelRegistry, names: Sequence[str]) -> None:
        self._served = {name.lower() for name in models.names}
        self._names: list[tuple[str, str]] = []
        for name in names:
            pattern, _, model = name.partition("=")
            try:
                self._names.append((pattern.lower(), model and models.find(model).names[0]))
            except RequestError as error:
                raise OptionError("claude_models", error.message) from None
        self._default = models.models[0].names[0] if models.models else ""

    def decode_request(self, body: bytearray) -> Decoded:
        """Decode a request for a message."""
        return self._with_served_model(decode_message_request(body))

    def decode_count_request(self, body: bytearray) -> Decoded:
        """Decode a request to count tokens."""
        return self._with_served_model(decode_count_request(body))

    def encoder(self, turn: Turn, connection: HttpConnection) -> MessageEncoder:  # noqa: ARG002
        """Return an encoder of the events of a message."""
        return self._encoder(turn)

    def answer(self, turn: Turn, events: Iterable[Event]) -> dict[str, Any]:
        """Return the message."""
        encoder = self._encoder(turn)
        return fold_message(payload for event in events for payload in encoder.encode(event))

    def headers(self, turn: Turn) -> list[Header]:
        """Return the header in which Anthropic's clients look for the id of a request."""
        return [(b"request-id", turn.id.encode())]

    def encode_error(self, error: HeadraceError, request_id: str) -> ErrorResponse:
        """Encode an error in Anthropic's form."""
        body = msgspec.json.encode({"type": "error", "error": error_of(error)})
        headers = [*error_headers(error, body, request_id), (b"request-id", request_id.encode())]
        if isinstance(error, LimitError):
            seconds = min(max(1, ceil(error.retry_after)), _MAX_RETRY_AFTER)
            headers = [header for header in headers if header[0] != b"retry-after"]
            headers.append((b"retry-after", b"%d" % seconds))
        return ErrorResponse(status_of(error), headers, body)

    def _with_served_model(self, decoded: Decoded) -> Decoded:
        request = decoded.request
        name = request.model.lower()
        if name not in self._served:
            models = (model for pattern, model in self._names if fnmatchcase(name, pattern))
            if (model := next(models, None)) is not None:
                request = msgspec.structs.replace(request, model=model or self._default)
        return Decoded(request, decoded.sources)

    def _encoder(self, turn: Turn) -> MessageEncoder:
        options = msgspec.convert(turn.request.answer_options, MessageOptions)
        return MessageEncoder(
            turn.id,
            turn.request.model,
            partial(_input_tokens, turn.log),
            shows_thinking=options.shows_thinking,
        )


class CountTokensEndpoint:
    """`POST …/messages/count_tokens`: the number of tokens of a request's prompt.

    Args:
        api: decodes the request.
        reader: reads it.
    """

    def __init__(self, api: MessagesApi, reader: RequestReader) -> None:
        self._api = api
        self._reader = reader

    async def __call__(self, connection: HttpConnection) -> None:
        plan = await self._reader.read(connection, self._api.decode_count_request)
        count = await plan.engine.count_tokens(plan.generation)
        await connection.send_json(msgspec.json.encode({"input_tokens": count}))


def _input_tokens(log: MemoryLog) -> int:
    """Return the tokens of the prompt: as the engine has reported them, or else as its ending has them."""
    if log.progress is not None and log.progress.total:
        return log.progress.total
    ending = log.last if log.is_finished else None
    return ending.usage.prompt if isinstance(ending, Finish) else 0
