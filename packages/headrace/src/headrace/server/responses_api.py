"""OpenAI's Responses as an `Api`: the encoder of a turn, its response so far, and errors."""

from collections.abc import Iterable
from contextlib import closing
from typing import Any, Final

from headrace.errors import HeadraceError, RequestError
from headrace.events import CANCELLED, Event, Finish
from headrace.response_encoder import RESPONSE, ResponseEncoder
from headrace.server.connection import ErrorResponse, Header, HttpConnection, decode_number, error_headers
from headrace.turns import Turn
from headrace.wire.responses import encode_response_error, form_of
from headrace.wire.responses.errors import status_of

__all__ = ["ResponsesApi", "read_so_far", "starting_after"]

_AFTER: Final = "starting_after"
"""The parameter with the `sequence_number` of the last event that the client has received."""


class ResponsesApi:
    """Responses."""

    id_prefix = RESPONSE

    def encoder(self, turn: Turn, connection: HttpConnection) -> ResponseEncoder:
        """Return an encoder of the events after the number in the query.

        Raises:
            RequestError: as `starting_after`.
        """
        return _encoder(turn, after=starting_after(connection))

    def answer(self, turn: Turn, events: Iterable[Event]) -> dict[str, Any]:
        """Return the response."""
        encoder = _encoder(turn)
        encoder.is_cancelled = _is_cancelled(turn)
        encoder.skip(events)
        return encoder.response

    def headers(self, turn: Turn) -> list[Header]:  # noqa: ARG002
        """Return no headers."""
        return []

    def encode_error(self, error: HeadraceError, request_id: str) -> ErrorResponse:
        """Encode an error as OpenAI does."""
        body = encode_response_error(error)
        return ErrorResponse(status_of(error), error_headers(error, body, request_id), body)


def starting_after(connection: HttpConnection) -> int:
    """Return the number in the query; -1 if there is none.

    Raises:
        RequestError: 1214, it is not a number.
    """
    after = connection.query.get(_AFTER)
    if after is None:
        return -1
    if (number := decode_number(after)) is None:
        msg = f'{_AFTER} is "{after[:40]}"; it must be the sequence_number of an event of this response'
        raise RequestError(msg)
    return number


def read_so_far(turn: Turn) -> ResponseEncoder:
    """Return an encoder that has encoded everything that the turn has so far."""
    encoder = _encoder(turn)
    with closing(turn.reader()) as reader:
        try:
            events = turn.plan.new_interpreter().feed(reader.take())
        except HeadraceError as error:
            encoder.error = error
            events = [Finish("network_error", error=error.public)]
    encoder.is_cancelled = _is_cancelled(turn)
    encoder.skip(events)
    return encoder


def _encoder(turn: Turn, *, after: int = -1) -> ResponseEncoder:
    return ResponseEncoder(turn.id, turn.header.created, form_of(turn.request), after=after)


def _is_cancelled(turn: Turn) -> bool:
    ending = turn.log.last if turn.log.has_ending else None
    return isinstance(ending, Finish) and ending.reason == CANCELLED
