"""The JSON of the API: requests, chunks, completions, usage. No I/O, no engine."""

from headrace.wire.completion import Completion, fold
from headrace.wire.decode import decode_chunk
from headrace.wire.decode_request import decode_request, decode_stored_request
from headrace.wire.request import ChatRequest, encode_request

__all__ = [
    "ChatRequest",
    "Completion",
    "decode_chunk",
    "decode_request",
    "decode_stored_request",
    "encode_request",
    "fold",
]
