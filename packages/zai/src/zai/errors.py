"""Every error that the SDK raises on purpose.

    ZaiError
    ├── APIStatusError                  the server said no: .status_code .code .message .body .response
    │   ├── APIRequestFailedError           400: the request says what cannot be done
    │   ├── APIAuthenticationError          401: no key, or a wrong one
    │   ├── APIReachLimitError              429: too much, or the quota is used up
    │   ├── APIInternalError                500
    │   └── APIServerFlowExceedError        503
    ├── ToolRoundsError                 a tool loop did not come to an end: .messages
    └── APIResponseError                there is no answer, or not a whole one: .message .request .json_data
        ├── APIResponseValidationError      it is not what it should be
        ├── APIStreamTruncatedError         it ended too early: .partial
        └── APIConnectionError              it did not come
            ├── APITimeoutError             in time
            └── APIStreamDisconnectedError  to its end: .partial .last_event_id

The names are those of PyPI's zai-sdk, but for ToolRoundsError and the two of streams. An error inside a
stream has the class that its code has as a status.
"""

from typing import Any

from headrace.wire.completion import Completion

__all__ = [
    "APIAuthenticationError",
    "APIConnectionError",
    "APIInternalError",
    "APIReachLimitError",
    "APIRequestFailedError",
    "APIResponseError",
    "APIResponseValidationError",
    "APIServerFlowExceedError",
    "APIStatusError",
    "APIStreamDisconnectedError",
    "APIStreamTruncatedError",
    "APITimeoutError",
    "ToolRoundsError",
    "ZaiError",
    "request_id_of",
]


class ZaiError(Exception):
    """The root of the SDK's errors."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    # To copy and to pickle: what the classes take differs, what they have is all in their attributes.
    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).__new__, (type(self), *self.args), self.__dict__)


class APIStatusError(ZaiError):
    """The server refused.

    Args:
        message: the server's sentence, or ours where it sent none.
        response: the HTTP library's; None where there was none.
        status_code: the response's, or inside a stream the one that the code stands for.
        code: the server's own, for example "1214"; "" if it gave none.
        body: what the server sent: decoded JSON, or text.
        detail: what `str(error)` adds to the message, for example "status 400, code 1214".
    """

    def __init__(
        self,
        message: str,
        *,
        response: Any,
        status_code: int = 0,
        code: str = "",
        body: Any = None,
        detail: str = "",
    ) -> None:
        super().__init__(f"{message} ({detail})" if detail else message)
        self.message = message
        self.response = response
        self.status_code: int = status_code or response.status_code
        self.code = code
        self.body = body
        self.json_data = body

    @property
    def request_id(self) -> str | None:
        """What a support team asks for: the response's `x-request-id` or `x-log-id`."""
        return request_id_of(self.response)


class APIRequestFailedError(APIStatusError):
    """400: the request says what cannot be done."""


class APIAuthenticationError(APIStatusError):
    """401: no key, a wrong one, or one that has expired."""


class APIReachLimitError(APIStatusError):
    """429: too much at once, too often, or the quota is used up."""


class APIInternalError(APIStatusError):
    """500: the server failed."""


class APIServerFlowExceedError(APIStatusError):
    """503: the server takes no more requests for now."""


class ToolRoundsError(ZaiError):
    """The model still calls tools after as many rounds as it was allowed."""

    def __init__(self, message: str, *, messages: list[Any]) -> None:
        super().__init__(message)
        self.messages = messages


class APIResponseError(ZaiError):
    """There is no answer, or not a whole one; `partial` is what came of a stream."""

    partial: Completion | None = None

    def __init__(self, message: str, request: Any = None, json_data: object = None) -> None:
        super().__init__(message)
        self.request = request
        self.json_data = json_data


class APIResponseValidationError(APIResponseError):
    """The answer is not what it should be: not JSON, or a web page."""

    def __init__(self, response: Any, json_data: object, *, message: str | None = None) -> None:
        message = message or "the server's answer is not what this API answers; check base_url"
        super().__init__(message, getattr(response, "request", None), json_data)
        self.response = response
        self.status_code: int = getattr(response, "status_code", 0)


class APIStreamTruncatedError(APIResponseError):
    """The stream ended without `[DONE]` and without a `finish_reason`; `partial` is what came."""

    def __init__(self, message: str, *, partial: Completion, request: Any = None) -> None:
        super().__init__(message, request)
        self.partial: Completion = partial


class APIConnectionError(APIResponseError):
    """The server could not be reached, or the connection broke."""

    def __init__(self, *, message: str = "Connection error.", request: Any = None) -> None:
        super().__init__(message, request)


class APITimeoutError(APIConnectionError):
    """The answer did not come in time."""

    def __init__(self, request: Any = None, *, message: str = "Request timed out.") -> None:
        super().__init__(message=message, request=request)


class APIStreamDisconnectedError(APIConnectionError):
    """The connection broke within a stream; `partial` is what came, up to `last_event_id`."""

    def __init__(
        self, message: str, *, partial: Completion, last_event_id: str = "", request: Any = None
    ) -> None:
        super().__init__(message=message, request=request)
        self.partial: Completion = partial
        self.last_event_id = last_event_id


def request_id_of(response: Any) -> str | None:
    """The id under which the server logged the request."""
    headers = getattr(response, "headers", {})
    return headers.get("x-request-id") or headers.get("x-log-id")
