"""A `ChatRequest` → JSON text from which `decode_request` makes it again."""

import msgspec

from headrace.wire.request import ChatRequest

__all__ = ["encode_request"]


def encode_request(request: ChatRequest) -> bytes:
    """Encode a request as a body: without the client's unknown fields, which nothing reads."""
    fields = msgspec.structs.asdict(request)
    tools, extra = fields.pop("raw_tools"), fields.pop("extra")
    return msgspec.json.encode({**fields, "tools": tools or None, **extra})
