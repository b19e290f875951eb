"""Tokenising a long prompt piece by piece, so that it can be stopped, and ends when the context is full.

Inside a completion, llama.cpp tokenises the whole prompt in a call that cannot be stopped, and then finds
that it is too long: five million characters took 37 s. Its own HTTP server, on a private socket, tokenises a
piece at a time instead.
"""

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.errors import EngineError, RequestError

__all__ = ["LONG_PROMPT", "tokenize"]

LONG_PROMPT: Final = 2**16
"""Characters of a prompt above which it is tokenised before the completion: a tenth of a second at most."""

_PIECE: Final = 2**15  # characters
_BREAK: Final = re.compile(r"\s(?=\w)")  # a tokenizer begins a new word there
_TIMEOUT: Final = 60.0  # seconds; a piece takes milliseconds, unless the machine is overloaded


class _Connection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("llama", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(str(self._path))


def tokenize(
    path: Path, prompt: str | Sequence[str | int], limit: int, is_stopped: Callable[[], bool]
) -> list[int]:
    """Tokenise a prompt. Blocks.

    Args:
        path: of the socket of llama.cpp's server.
        prompt: a text, or texts and token ids.
        limit: tokens that the prompt may have.
        is_stopped: asked before every piece; True ends it with the tokens so far.

    Raises:
        RequestError: 1261, the prompt has more tokens.
        EngineError: the server does not respond.
    """
    tokens: list[int] = []
    connection = _Connection(path)
    try:
        for part in [prompt] if isinstance(prompt, str) else prompt:
            if isinstance(part, int):
                tokens.append(part)
                continue
            for piece in _pieces(part):
                if is_stopped():
                    return tokens
                tokens += _tokens(connection, piece, is_first=not tokens)
                if len(tokens) > limit:
                    msg = f"messages: the prompt has more than {limit} tokens, the model's context length"
                    raise RequestError(f"{msg}; shorten the messages", code="1261")
    except (OSError, HTTPException) as error:
        msg = f"llama.cpp cannot tokenise the prompt: {error}"
        raise EngineError(msg) from None
    finally:
        connection.close()
    return tokens


def _tokens(connection: HTTPConnection, text: str, *, is_first: bool) -> list[int]:
    fields: dict[str, Any] = {"content": text, "add_special": is_first, "parse_special": True}
    connection.request("POST", "/tokenize", msgspec.json.encode(fields), {"Content-Type": "application/json"})
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        msg = f"llama.cpp cannot tokenise the prompt: status {response.status}"
        raise EngineError(msg)
    tokens: list[int] = msgspec.json.decode(body)["tokens"]
    return tokens


def _pieces(text: str) -> Iterator[str]:
    """Cut a text before a word, where there is one in the second half of a piece."""
    start = 0
    while len(text) - start > _PIECE:
        found = _BREAK.search(text, start + _PIECE // 2, start + _PIECE)
        end = found.start() if found else start + _PIECE
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]
