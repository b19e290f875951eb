"""The names that programs written for PyPI's zai-sdk import from `zai.core`."""

from headrace.wire.model import WireModel as BaseModel
from zai.errors import (
    APIAuthenticationError,
    APIConnectionError,
    APIInternalError,
    APIReachLimitError,
    APIRequestFailedError,
    APIResponseError,
    APIResponseValidationError,
    APIServerFlowExceedError,
    APIStatusError,
    APIStreamDisconnectedError,
    APIStreamTruncatedError,
    APITimeoutError,
    ZaiError,
)
from zai.not_given import NOT_GIVEN, NotGiven
from zai.streaming.stream import Stream as StreamResponse

__all__ = [
    "NOT_GIVEN",
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
    "BaseModel",
    "NotGiven",
    "StreamResponse",
    "ZaiError",
]
