"""The body of an error: `{"error": {"code": "1214", "message": "…"}}`."""

import msgspec

from headrace.errors import HeadraceError

__all__ = ["encode_error"]


def encode_error(error: HeadraceError) -> bytes:
    """`code` is a string, as Z.ai documents it."""
    return msgspec.json.encode({"error": {"code": error.code, "message": error.message}})
