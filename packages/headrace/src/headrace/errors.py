"""Headrace's exceptions: who is at fault, error code, HTTP status.

    HeadraceError
    ├── RequestError     the caller: an invalid or unsupported request
    │   ├── ImageError          an image that the model does not accept
    │   └── DisconnectError     it disconnected before its request was complete
    ├── AccessError      the caller: no key, a wrong key, no permission
    ├── LimitError       a limit was reached; a later attempt may succeed
    │   └── ShutdownError       this server is shutting down
    ├── EngineError      the model, or the server or library that runs it
    │   ├── UnreachableError    that server cannot be connected to
    │   └── IncompleteError     it ended its response early
    └── DecodeError      the peer: bytes that cannot be decoded

Codes and statuses are those of Z.ai's documentation (docs/wire.md, "Errors").
"""

from typing import Final

import msgspec

__all__ = [
    "STATUS_OF_CODE",
    "AccessError",
    "DecodeError",
    "DisconnectError",
    "EngineError",
    "HeadraceError",
    "ImageError",
    "IncompleteError",
    "LimitError",
    "RequestError",
    "ShutdownError",
    "UnreachableError",
    "encode_error",
]

STATUS_OF_CODE: Final[dict[str, int]] = {
    "500": 500,  # internal
    "1000": 401,  # authentication failed
    "1001": 401,  # no authentication header
    "1002": 401,  # invalid key
    "1003": 401,  # expired token
    "1004": 401,  # rejected
    "1113": 429,  # quota exhausted
    "1210": 400,  # wrong parameter
    "1211": 400,  # unknown model
    "1212": 400,  # the model does not support this
    "1213": 400,  # field missing
    "1214": 400,  # field invalid
    "1215": 400,  # mutually exclusive fields
    "1220": 403,  # no permission
    "1221": 503,  # API offline
    "1222": 404,  # unknown API
    "1230": 500,  # processing failed
    "1231": 400,  # duplicate request_id
    "1234": 500,  # network error
    "1261": 400,  # prompt too long
    "1301": 400,  # unsafe content
    "1302": 429,  # too many concurrent requests
    "1303": 429,  # request rate too high
    "1305": 429,  # overloaded
}

_TYPE_OF_STATUS: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""The `type` of an error in OpenAI's API, for statuses that have one of their own."""


class HeadraceError(Exception):
    """The base class.

    Args:
        message: names the field, the value and what to do.
        code: one of `STATUS_OF_CODE`; each class has a default.
        status: the HTTP status if it differs from the code's.
        public: what clients get, if the message has addresses, paths or names that only the operator may see.
    """

    default_code = "500"

    def __init__(self, message: str, *, code: str = "", status: int = 0, public: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.public = public or message
        self.code = code or self.default_code
        self.status = status or STATUS_OF_CODE.get(self.code, 500)


class RequestError(HeadraceError):
    """An invalid or unsupported request."""

    default_code = "1214"


class ImageError(RequestError):
    """An image that the model does not accept."""

    default_code = "1210"


class DisconnectError(RequestError):
    """The client has disconnected before its request was complete."""

    default_code = "1210"


class AccessError(HeadraceError):
    """A missing or wrong key, or a lack of permission."""

    default_code = "1002"


class LimitError(HeadraceError):
    """A rate, concurrency or load limit.

    Args:
        retry_after: seconds after which another attempt may succeed.
    """

    default_code = "1305"

    def __init__(
        self, message: str, *, code: str = "", status: int = 0, public: str = "", retry_after: float = 1.0
    ) -> None:
        super().__init__(message, code=code, status=status, public=public)
        self.retry_after = retry_after


class ShutdownError(LimitError):
    """This server is shutting down; another one, or this one after its restart, can serve the request."""

    default_code = "1234"


class EngineError(HeadraceError):
    """A failure of the model, or of the server or library that runs it."""

    default_code = "1234"


class UnreachableError(EngineError):
    """The model's server cannot be connected to."""

    default_code = "1221"


class IncompleteError(EngineError):
    """The model's server ended its response early."""


class DecodeError(HeadraceError):
    """Bytes of a peer that cannot be decoded."""

    default_code = "1234"


def encode_error(error: HeadraceError) -> bytes:
    """Encode the body of an error response: `{"error": {"code": "1214", "message": "…", "type": "…"}}`."""
    type_ = _TYPE_OF_STATUS.get(
        error.status, "invalid_request_error" if error.status < 500 else "server_error"
    )
    return msgspec.json.encode({"error": {"code": error.code, "message": error.public, "type": type_}})
