"""The APIs in which the server answers, and what differs between them: answers, and errors.

Everything else is the same code for all of them: starting, streaming, resuming and cancelling turns. The URL
of a request decides in which API it is answered, also when it resumes a turn that another API has started.
"""

from collections.abc import Iterable
from typing import Any, Final, Protocol

from headrace.answer_encoder import AnswerEncoder
from headrace.chunks import ChunkEncoder
from headrace.errors import HeadraceError
from headrace.events import Event
from headrace.server.connection import ErrorResponse, Header, HttpConnection, encode_error_response
from headrace.turns import Turn
from headrace.wire import Completion, fold
from headrace.wire.decode_request import decode_body, validate_request
from headrace.wire.sources import Decoded
from headrace.wire.unknown_fields import unknown_fields

__all__ = ["RESUMABLE", "Api", "ChatApi", "decode_chat_request"]

RESUMABLE: Final = "x-headrace-resumable"
"""The header that requests a resumable turn, event ids, and `event: error` with the reason of a failure."""


class Api(Protocol):
    """An API: encodes answers and errors."""

    id_prefix: str
    """What precedes the id of a turn in the ids of this API."""

    def encoder(self, turn: Turn, connection: HttpConnection) -> AnswerEncoder:
        """Return an encoder of the stream of a turn, for the client of this request."""
        ...

    def answer(self, turn: Turn, events: Iterable[Event]) -> Any:
        """Return the complete answer, to be encoded as JSON: its stream, folded."""
        ...

    def headers(self, turn: Turn) -> list[Header]:
        """Return headers of an answer that only this API has."""
        ...

    def encode_error(self, error: HeadraceError, request_id: str) -> ErrorResponse:
        """Encode an error that is the complete response."""
        ...


class ChatApi:
    """Chat completions.

    Args:
        openai: whether streams are OpenAI's: only the first delta has the role, and a failure is an event
            `data: {"error": …}`. Z.ai's deltas all have the role, and a failure is a finish reason only.
    """

    id_prefix = ""

    def __init__(self, *, openai: bool = False) -> None:
        self._openai = openai

    def encoder(self, turn: Turn, connection: HttpConnection) -> ChunkEncoder:
        """Return an encoder of chunks."""
        if connection.headers.get(RESUMABLE) == "1":
            error_event: str | None = "error"
        else:
            error_event = "" if self._openai else None
        return self._encoder(turn, error_event)

    def answer(self, turn: Turn, events: Iterable[Event]) -> Completion:
        """Return the completion."""
        encoder = self._encoder(turn)
        chunks = (chunk for event in events if (chunk := encoder.encode(event)))
        return fold(chunks, request_id=turn.header.request_id or turn.id)

    def headers(self, turn: Turn) -> list[Header]:  # noqa: ARG002
        """Return no headers."""
        return []

    def encode_error(self, error: HeadraceError, request_id: str) -> ErrorResponse:
        """Encode an error as Z.ai and OpenAI do."""
        return encode_error_response(error, request_id)

    def _encoder(self, turn: Turn, error_event: str | None = None) -> ChunkEncoder:
        return ChunkEncoder(
            turn.id,
            turn.header.created,
            turn.request.model,
            repeats_role=not self._openai,
            error_event=error_event,
        )


def decode_chat_request(body: bytearray) -> Decoded:
    """Decode a request of Z.ai's API, or of OpenAI's.

    Raises:
        RequestError: as `decode_request`.
    """
    fields = decode_body(body)
    return Decoded(validate_request(fields), unknown=unknown_fields(fields))
