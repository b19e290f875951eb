"""The names of PyPI's zai-sdk in `zai.core`."""

from headrace.wire.model import WireModel as BaseModel
from zai.arguments import NOT_GIVEN, NotGiven
from zai.core import _errors as _errors  # programs for zai-sdk catch zai.core._errors.APIStatusError
from zai.core import _jwt_token as _jwt_token
from zai.core import _streaming as _streaming
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
from zai.http.base_client import DEFAULT_MAX_RETRIES as ZAI_DEFAULT_MAX_RETRIES
from zai.http.request import DEFAULT_TIMEOUT as ZAI_DEFAULT_TIMEOUT
from zai.streaming.stream import Stream as StreamResponse

__all__ = [
    "NOT_GIVEN",
    "ZAI_DEFAULT_MAX_RETRIES",
    "ZAI_DEFAULT_TIMEOUT",
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
