"""The requests of a run: prompts, each after a nonce that keeps it out of prefix caches."""

import hashlib
from pathlib import Path
from typing import Final, Literal

import msgspec

from headrace.benchmarking.apis import APIS, Message
from headrace.checking.endpoint import Request
from headrace.errors import RequestError
from headrace.foreign_errors import reading

__all__ = [
    "BUILT_IN",
    "NONCE_LENGTH",
    "PromptSet",
    "begin_with",
    "make_prompt",
    "make_request",
    "read_prompts",
]

NONCE_LENGTH: Final = 16
"""Characters."""

_TEXTS: Final = (
    "Describe how a letter travels from one village to another in the mountains, step by step.",
    "Write a short story about a lighthouse keeper who finds a message in a bottle.",
    "Explain to a child why the sky is blue during the day and red in the evening.",
    "List the steps to repair a flat bicycle tyre, with the tools that are needed.",
    "Write a letter to a friend about a week of rain at the sea.",
    "Compare trains and ships for transporting grain across a continent.",
    "请写一篇关于秋天的短文，描写树叶、天气和街上的行人。",
    "请解释潮汐是怎样形成的，并举一个生活中的例子。",
)


class PromptSet(msgspec.Struct, frozen=True):
    """Prompts that are used in turn."""

    name: str
    """What two runs must have in common to be comparable."""
    prompts: tuple[tuple[Message, ...], ...]


BUILT_IN: Final = PromptSet(
    f"{len(_TEXTS)} built in", tuple(({"role": "user", "content": text},) for text in _TEXTS)
)


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant"]
    content: str


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    prompt: str = ""
    messages: list[_Message] = []


def read_prompts(path: Path) -> PromptSet:
    """Read a file of JSON Lines: `{"prompt": "text"}` or `{"messages": [{"role": …, "content": "text"}, …]}`.

    Raises:
        RequestError: the file cannot be read, has no prompt, or a line is no such object.
    """
    with reading("--prompts", path, RequestError):
        encoded = path.read_bytes()
    prompts = []
    for number, text in enumerate(encoded.splitlines(), 1):
        if not text.strip():
            continue
        try:
            line = msgspec.json.decode(text, type=_Line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RequestError(f"--prompts: {path}, line {number}: {error}") from None
        if bool(line.prompt) == bool(line.messages):
            what = "write either a prompt or messages, which must not be empty"
            raise RequestError(f"--prompts: {path}, line {number}: {what}")
        messages = line.messages or [_Message("user", line.prompt)]
        prompts.append(tuple(msgspec.structs.asdict(message) for message in messages))
    if not prompts:
        raise RequestError(f"--prompts: {path} has no prompt")
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return PromptSet(f"{len(prompts)} of a file with the SHA-256 {digest}…", tuple(prompts))


def make_prompt(prompts: PromptSet, nonce: str, number: int, *, is_warm: bool = False) -> list[Message]:
    """Return the messages of a request; the first one begins with a nonce.

    Args:
        prompts: the prompts.
        nonce: that of the run.
        number: that of the request within the run.
        is_warm: repeat the prompts, so that prefix caches find them. Their lengths remain the same.
    """
    prefix = "" if is_warm else f"{nonce}:{number}"
    digest = hashlib.sha256(prefix.encode()).hexdigest()[:NONCE_LENGTH]
    return begin_with(digest, prompts.prompts[number % len(prompts.prompts)])


def begin_with(nonce: str, prompt: tuple[Message, ...]) -> list[Message]:
    """Return the messages of a prompt with a nonce at the very beginning."""
    first, *others = prompt
    return [first | {"content": f"{nonce} {first['content']}"}, *others]


def make_request(api: str, model: str, messages: list[Message], max_tokens: int) -> Request:
    """Return a streamed request that reports its usage."""
    fields = {"model": model, "stream": True} | APIS[api].encode(messages, max_tokens)
    return Request(path=APIS[api].path, headers=APIS[api].headers, body=msgspec.json.encode(fields))
