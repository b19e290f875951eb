"""The fields of a request that are the same for raw text and for chats."""

from typing import Any

import msgspec

from headrace.engines.protocols.dialects import FORWARDED, Dialect
from headrace.wire.request import ChatRequest

__all__ = ["response_format_field", "sampling_fields"]


def sampling_fields(request: ChatRequest, dialect: Dialect) -> dict[str, Any]:
    """How tokens are chosen, and what ends the choosing; only what somebody decided."""
    asked = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": None if request.seed is None else request.seed % 2**dialect.seed_bits,
        "max_tokens": request.max_tokens,
        "stop": request.stops or None,
    }
    forwarded = {name: value for name, value in request.extra.items() if name in FORWARDED}
    fields = {
        **dialect.sampling,
        **forwarded,
        **{name: value for name, value in asked.items() if value is not None},
    }
    if not request.do_sample:
        fields = {name: value for name, value in fields.items() if name not in ("temperature", "top_p")}
        fields |= {"do_sample": False} if dialect.do_sample else {"temperature": 0.0}
    return {dialect.renamed.get(name, name): value for name, value in fields.items()}


def response_format_field(request: ChatRequest) -> dict[str, Any]:
    """As the client sent it."""
    fields = msgspec.to_builtins(request.response_format)
    return {key: value for key, value in fields.items() if value is not None}
