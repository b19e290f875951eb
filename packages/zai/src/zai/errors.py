"""The SDK's exceptions.

    ZaiError
    ├── APIStatusError                  an error status: .status_code .code .message .body .response
    │   ├── APIRequestFailedError           400: invalid request
    │   ├── APIAuthenticationError          401: no key, or an invalid one
    │   ├── APIReachLimitError              429: rate limit or quota exceeded
    │   ├── APIInternalError                500: the server failed
    │   └── APIServerFlowExceedError        503: the server is overloaded
    ├── ToolRoundsError                 a tool loop exceeded its rounds: .messages
    └── APIResponseError                no response, or an incomplete one: .message .request .json_data
        ├── APIResponseValidationError      an unexpected body
        ├── APIStreamTruncatedError         a stream without its end: .partial
        └── APIConnectionError              no connection
            ├── APITimeoutError                 no response in time
            └── APIStreamDisconnectedError      a stream that was disconnected: .partial .last_event_id

The names are those of PyPI's zai-sdk, except ToolRoundsError and the two of streams. The class of an error
within a stream is that of the status for its code; it is an APIResponseError as well, as in zai-sdk.
"""

from typing import Any, Final

from headrace.wire.completion import Completion
from zai.http_library import Request, Response

__all__ = [
    "WITHIN_STREAM",
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
    """The base class of the SDK's exceptions."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    # For copy and pickle: the arguments of the classes differ, but their attributes hold everything.
    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).__new__, (type(self), *self.args), self.__dict__)


class APIStatusError(ZaiError):
    """The server responded with an error status, or sent an error within a stream.

    Args:
        message: the server's message, or the SDK's if it sent none.
        response: the HTTP library's response.
        status_code: the response's, or within a stream the status that the code stands for.
        code: the server's error code, such as "1214", or "".
        body: the response's body: decoded JSON, or text.
        detail: what `str(error)` adds to the message, such as "status 400, code 1214".
    """

    def __init__(
        self,
        message: str,
        *,
        response: Response,
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
        """The server's id of the request, for its support: `x-request-id` or `x-log-id`."""
        return request_id_of(self.response)


class APIRequestFailedError(APIStatusError):
    """400: the request is invalid."""


class APIAuthenticationError(APIStatusError):
    """401: the key is missing, invalid or expired."""


class APIReachLimitError(APIStatusError):
    """429: too many requests, or the quota is used up."""


class APIInternalError(APIStatusError):
    """500: the server failed."""


class APIServerFlowExceedError(APIStatusError):
    """503: the server is overloaded."""


class ToolRoundsError(ZaiError):
    """The model still calls tools after `max_rounds`; `messages` is the conversation so far."""

    def __init__(self, message: str, *, messages: list[Any]) -> None:
        super().__init__(message)
        self.messages = messages


class APIResponseError(ZaiError):
    """There is no response, or an incomplete one; `partial` is what was received of a stream."""

    partial: Completion | None = None

    def __init__(self, message: str, request: Request | None = None, json_data: object = None) -> None:
        super().__init__(message)
        self.request = request
        self.json_data = json_data


class APIResponseValidationError(APIResponseError):
    """The response has an unexpected body: not JSON, or a web page."""

    def __init__(self, response: Response, json_data: object, *, message: str | None = None) -> None:
        message = message or "the response is not one of this API; check base_url"
        super().__init__(message, response.request, json_data)
        self.response = response
        self.status_code = response.status_code


class APIStreamTruncatedError(APIResponseError):
    """The stream ended without `[DONE]` and without a `finish_reason`; `partial` is what was received."""

    def __init__(self, message: str, *, partial: Completion, request: Request | None = None) -> None:
        super().__init__(message, request)
        self.partial: Completion = partial


class APIConnectionError(APIResponseError):
    """The server could not be reached, or the connection was lost."""

    def __init__(self, *, message: str = "Connection error.", request: Request | None = None) -> None:
        super().__init__(message, request)


class APITimeoutError(APIConnectionError):
    """The response did not come in time."""

    def __init__(self, request: Request | None = None, *, message: str = "Request timed out.") -> None:
        super().__init__(message=message, request=request)


class APIStreamDisconnectedError(APIConnectionError):
    """The connection was lost within a stream; `partial` is what was received, up to `last_event_id`."""

    def __init__(
        self, message: str, *, partial: Completion, last_event_id: str = "", request: Request | None = None
    ) -> None:
        super().__init__(message=message, request=request)
        self.partial: Completion = partial
        self.last_event_id = last_event_id


def _within_stream(error_class: type[APIStatusError]) -> type[APIStatusError]:
    def reduce(
        error: APIStatusError,
    ) -> tuple[Any, ...]:  # pickle finds no class that has no name in a module
        return (_new_within_stream, (error_class, error.args), error.__dict__)

    members = {"__doc__": error_class.__doc__, "__module__": __name__, "__reduce__": reduce}
    return type(error_class.__name__, (error_class, APIResponseError), members)


def _new_within_stream(error_class: type[APIStatusError], args: tuple[Any, ...]) -> APIStatusError:
    return WITHIN_STREAM[error_class].__new__(WITHIN_STREAM[error_class], *args)


WITHIN_STREAM: Final = {
    each: _within_stream(each)
    for each in (
        APIStatusError,
        APIRequestFailedError,
        APIAuthenticationError,
        APIReachLimitError,
        APIInternalError,
        APIServerFlowExceedError,
    )
}
"""For each class, the one of the same errors within a stream: its subclass, and APIResponseError's."""


def request_id_of(response: Response) -> str | None:
    """Return the server's id of the request."""
    return response.headers.get("x-request-id") or response.headers.get("x-log-id")
