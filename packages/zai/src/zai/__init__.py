"""A Python SDK for Z.ai's chat completions and for compatible servers.

Start with `ZaiClient(api_key="…").chat.completions.create(model="glm-4.6", messages=[…], stream=True)`.
"""

from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any, Final

from headrace.wire.completion import Accumulator as StreamAccumulator
from zai import core as core  # programs for zai-sdk catch zai.core.APIStatusError
from zai import drop_in as drop_in  # registers zai-sdk's other import paths
from zai._client import ZaiClient, ZhipuAiClient
from zai.arguments import NOT_GIVEN, NotGiven
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
    ToolRoundsError,
    ZaiError,
)
from zai.http.base_client import __version__
from zai.http.deadlines import StreamTimeout
from zai.streaming.completion_stream import CompletionStream
from zai.streaming.stream import Stream
from zai.tools.run import ToolRun

if TYPE_CHECKING:
    from zai._async_client import AsyncZaiClient, AsyncZhipuAiClient
    from zai.streaming.async_completion_stream import AsyncCompletionStream
    from zai.streaming.async_stream import AsyncStream
    from zai.tools.async_run import AsyncToolRun

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
    "AsyncCompletionStream",
    "AsyncStream",
    "AsyncToolRun",
    "AsyncZaiClient",
    "AsyncZhipuAiClient",
    "CompletionStream",
    "NotGiven",
    "Stream",
    "StreamAccumulator",
    "StreamTimeout",
    "ToolRoundsError",
    "ToolRun",
    "ZaiClient",
    "ZaiError",
    "ZhipuAiClient",
    "__version__",
]

if PathFinder.find_spec("zai._version", __path__):  # a module that only zai-sdk has
    import warnings

    warnings.warn(
        "zai-sdk is installed beside headrace-zai, and each overwrites the other's files:"
        " uninstall both, then install headrace-zai again",
        RuntimeWarning,
        stacklevel=2,
    )

# Importing asyncio takes as long as everything else: only programs that use it import it.
_MODULE_OF: Final = {
    "AsyncCompletionStream": "zai.streaming.async_completion_stream",
    "AsyncStream": "zai.streaming.async_stream",
    "AsyncToolRun": "zai.tools.async_run",
    "AsyncZaiClient": "zai._async_client",
    "AsyncZhipuAiClient": "zai._async_client",
}

if not TYPE_CHECKING:  # for a type checker, __getattr__ would make every name valid

    def __getattr__(name: str) -> Any:
        if name not in _MODULE_OF:
            msg = f"module 'zai' has no attribute {name!r}"
            raise AttributeError(msg)
        from importlib import import_module

        return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
