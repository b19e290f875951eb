"""The messages of a Messages request → those of Z.ai's API, plain JSON on both sides.

One message can become several: the results of tools are messages of their own in Z.ai's API, in the order of
their calls, because most chat templates write neither the id of a call nor that of its result.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from headrace.errors import RequestError
from headrace.wire.expected import show
from headrace.wire.messages.blocks import (
    blocks_of,
    content_of,
    field,
    missing,
    rejected,
    text_of_blocks,
    wrong,
)
from headrace.wire.sources import Source

__all__ = ["LEFT_OUT", "References", "Translated", "translate_messages"]

LEFT_OUT: Final = frozenset(
    {
        "redacted_thinking",  # encrypted for Anthropic's models
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "mcp_tool_use",
        "mcp_tool_result",
        "container_upload",
        "compaction",
        "fallback",
    }
)
"""Blocks of earlier answers that only Anthropic's service can read: of a conversation that began there."""

_CALLS_ONLY: Final = "only assistant messages have it"
References = dict[str, None]
"""Names of tools to which results refer, in the order of their first reference."""


class Translated(NamedTuple):
    """A message of Z.ai's API, and the fields of the client's message that it came from."""

    source: Source
    message: dict[str, Any]


def translate_messages(messages: Sequence[Any], references: References) -> Iterator[Translated]:
    """Yield the messages of Z.ai's API.

    Args:
        messages: as sent.
        references: receives the tools to which results refer.

    Raises:
        RequestError: 1210, 1213 or 1214; its message begins with the path of the field.
    """
    calls: dict[str, int] = {}  # the latest answer's without results: their positions by id
    waiting: list[Translated] = []  # system messages between calls and results, which belong together
    for index, message in enumerate(messages):
        where = f"messages.{index}"
        if not isinstance(message, dict):
            raise wrong(where, message, "an object with role and content")
        role, content = field(message, where, "role", str), message.get("content")
        if content is None:
            raise missing(f"{where}.content")
        if content == []:
            msg = f"{where}.content: [] is empty; every message needs at least one content block"
            raise RequestError(msg)
        path = f"{where}.content"
        match role:
            case "system":
                text = text_of_blocks(content, path)
                waiting.append(Translated(Source(path), {"role": role, "content": text}))
            case "assistant":
                yield from waiting
                waiting.clear()
                answer = _answer(content, path)
                calls = {call["id"]: at for at, call in enumerate(answer.get("tool_calls", ()))}
                yield Translated(Source(path), answer)
            case "user":
                sent = list(_user_messages(content, path, calls, references))
                yield from sent
                answered = [one["tool_call_id"] for _, one in sent if one["role"] == "tool"]
                if not answered:
                    calls = {}
                for id in answered:
                    del calls[id]
            case _:
                raise wrong(f"{where}.role", role, "one of user, assistant, system")
        if not calls:
            yield from waiting
            waiting.clear()
    yield from waiting


def _answer(content: Any, where: str) -> dict[str, Any]:
    """Return an assistant message; signatures of thinking have no meaning here."""
    texts, thoughts = [], []
    calls: dict[str, dict[str, Any]] = {}  # by id
    for path, block in blocks_of(content, where):
        match block["type"]:
            case "text":
                texts.append(field(block, path, "text", str))
            case "thinking":
                thoughts.append(field(block, path, "thinking", str))
            case "tool_use":
                call = _call(block, path)
                if calls.setdefault(call["id"], call) is not call:
                    msg = f"{path}.id: {show(call['id'])} is the id of an earlier call of this message"
                    raise RequestError(msg)
            case "tool_result":
                raise rejected(
                    f"{path}.type", '"tool_result" is not allowed here; only user messages have it'
                )
            case kind if kind not in LEFT_OUT:
                known = "text, thinking, redacted_thinking or tool_use"
                raise rejected(f"{path}.type", f"{show(kind)} is not supported here; it must be {known}")
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts)}
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = [*calls.values()]
    return message


def _call(block: Mapping[str, Any], path: str) -> dict[str, Any]:
    arguments = msgspec.json.encode(field(block, path, "input", dict)).decode()
    function = {"name": field(block, path, "name", str), "arguments": arguments}
    return {"id": field(block, path, "id", str), "type": "function", "function": function}


def _user_messages(
    content: Any, where: str, calls: Mapping[str, int], references: References
) -> Iterator[Translated]:
    results: dict[str, Translated] = {}
    others = []
    for path, block in blocks_of(content, where):
        if block["type"] == "tool_result":
            id = field(block, path, "tool_use_id", str)
            if id not in calls:
                reason = "the message before has no `tool_use` with this id"
                raise RequestError(f"{path}.tool_use_id: {show(id)}: {reason}")
            if id in results:
                msg = f"{path}.tool_use_id: {show(id)} has a result already"
                raise RequestError(msg)
            results[id] = _result(block, path, references)
        elif block["type"] in ("tool_use", "thinking", "redacted_thinking"):
            raise rejected(f"{path}.type", f"{show(block['type'])} is not allowed here; {_CALLS_ONLY}")
        else:
            others.append((path, block))
    yield from (results[id] for id in sorted(results, key=calls.__getitem__))
    if others:
        source = Source(where, [path for path, _ in others])
        yield Translated(source, {"role": "user", "content": content_of(others)})


def _result(block: Mapping[str, Any], path: str, references: References) -> Translated:
    content = block.get("content")
    blocks = list(blocks_of(content, f"{path}.content")) if content is not None else []
    for at, part in blocks:
        if part["type"] == "tool_reference":
            references.setdefault(field(part, at, "tool_name", str))
    result = content_of(blocks, is_result=True)
    is_error = field(block, path, "is_error", bool, default=False)
    message = {
        "role": "tool",
        "tool_call_id": block["tool_use_id"],
        "content": result or ("error" if is_error else ""),
    }
    return Translated(Source(f"{path}.content", [at for at, _ in blocks]), message)
