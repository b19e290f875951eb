"""Counts the tokens of a prompt by the tokenizer of a model's server."""

import asyncio
from contextlib import suppress
from typing import Final

import msgspec

from headrace.engines.protocols.error_mapping import map_response
from headrace.engines.transport import ResponseHead, Transport
from headrace.errors import EngineError, HeadraceError, RequestError

__all__ = ["count_tokens"]

_TIMEOUT: Final = 30.0  # seconds
_REFUSALS: Final = (400, 404, 405, 422, 501)
_SHOWN: Final = 2000  # bytes of a refusal
_MAX_BODY: Final = 64 * 1024 * 1024  # bytes: a list of a million tokens has eight


class _Tokens(msgspec.Struct):
    """A number of tokens, in any of the forms in which servers have it."""

    count: int | None = None  # vLLM, SGLang
    input_tokens: int | None = None  # llama-server, of messages
    tokens: list[msgspec.Raw] | None = None  # llama-server, of a text

    @property
    def number(self) -> int | None:
        listed = None if self.tokens is None else len(self.tokens)
        return next((one for one in (self.count, self.input_tokens, listed) if one is not None), None)


class _Body:
    """The listener of a response that is read as a whole."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.head = ResponseHead(0, "")
        self.body = bytearray()

    def on_head(self, head: ResponseHead) -> None:
        self.head = head

    def on_body(self, data: bytes) -> None:
        self.body += data
        if len(self.body) > _MAX_BODY:
            self.on_end(EngineError("the model's server sent too many tokens"))

    def on_end(self, error: HeadraceError | None) -> None:
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(None)


async def count_tokens(transport: Transport, path: str, body: bytes) -> int:
    """Send a request to a server's tokenizer, and return the number of tokens.

    Raises:
        RequestError: 1212, status 404, the server refuses the request: an older version, for example.
        EngineError: it cannot be reached, fails, or answers something else.
    """
    response = _Body()
    run = transport.post(path, body, response)
    try:
        async with asyncio.timeout(_TIMEOUT):
            await response.done
    except TimeoutError:
        msg = f"the model's server has counted no tokens for {_TIMEOUT:g} s"
        raise EngineError(msg, status=504) from None
    finally:
        run.stop()
    head = response.head
    if head.status in _REFUSALS:
        public = f"the model's server does not count these tokens (status {head.status})"
        refusal = response.body[:_SHOWN].decode("utf-8", "replace")
        raise RequestError(f"{public}: {refusal}", code="1212", status=404, public=public)
    if head.status != 200:
        raise map_response(transport.upstream, head.status, bytes(response.body), head.retry_after)
    number = None
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        number = msgspec.json.decode(response.body, type=_Tokens).number
    if number is None:
        msg = "the model's server has not answered with tokens"
        raise EngineError(msg)
    return number
