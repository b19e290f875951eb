"""Every error that Headrace raises on purpose: whose fault, which code, which HTTP status.

    HeadraceError
    ├── RequestError     the caller's: the request says what cannot be done
    ├── AccessError      the caller's: no key, a wrong key, not allowed
    ├── LimitError       nobody's: too much at once; trying later helps
    ├── EngineError      the model's, or of what runs it
    └── DecodeError      the peer's: bytes that are not what they should be

Codes and statuses are those of Z.ai's documentation (docs/wire.md, "Errors").
"""

from typing import Final

import msgspec

__all__ = [
    "STATUS_OF_CODE",
    "AccessError",
    "DecodeError",
    "EngineError",
    "HeadraceError",
    "LimitError",
    "RequestError",
    "encode_error",
]

STATUS_OF_CODE: Final[dict[str, int]] = {
    "500": 500,  # internal
    "1000": 401,  # authentication failed
    "1001": 401,  # no authentication header
    "1002": 401,  # invalid key
    "1003": 401,  # expired token
    "1004": 401,  # refused
    "1113": 429,  # quota used up
    "1210": 400,  # wrong parameter
    "1211": 400,  # no such model
    "1212": 400,  # the model does not support this
    "1213": 400,  # field missing
    "1214": 400,  # field invalid
    "1215": 400,  # two fields exclude each other
    "1220": 403,  # no permission
    "1221": 503,  # API offline
    "1222": 404,  # no such API
    "1230": 500,  # processing failed
    "1231": 400,  # duplicate request_id
    "1234": 500,  # network error
    "1261": 400,  # prompt too long
    "1301": 400,  # unsafe content
    "1302": 429,  # too many at once
    "1303": 429,  # too often
    "1305": 429,  # overloaded
}


class HeadraceError(Exception):
    """What went wrong, in a sentence that a person can act on.

    Args:
        message: names the field, the value and the way out.
        code: one of `STATUS_OF_CODE`; each class has a default.
        status: the HTTP status, where it is not the code's own.
    """

    default_code = "500"

    def __init__(self, message: str, *, code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.status = status or STATUS_OF_CODE.get(self.code, 500)


class RequestError(HeadraceError):
    """The request says what cannot be done."""

    default_code = "1214"


class AccessError(HeadraceError):
    """No key, a wrong key, or not allowed."""

    default_code = "1002"


class LimitError(HeadraceError):
    """Too much at once.

    Args:
        retry_after: seconds after which another try may succeed.
    """

    default_code = "1305"

    def __init__(self, message: str, *, code: str = "", status: int = 0, retry_after: float = 1.0) -> None:
        super().__init__(message, code=code, status=status)
        self.retry_after = retry_after


class EngineError(HeadraceError):
    """The model, or what runs it, failed."""

    default_code = "1234"


class DecodeError(HeadraceError):
    """Bytes of a peer that are not what they should be."""

    default_code = "1234"


def encode_error(error: HeadraceError) -> bytes:
    """Encode the body of an error response: `{"error": {"code": "1214", "message": "…"}}`."""
    return msgspec.json.encode({"error": {"code": error.code, "message": error.message}})
