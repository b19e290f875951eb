"""Tools for a model whose template has no place for them: they are described in a message.

Calls and results become messages, too: a call is a JSON object, which the format `text` reads, and results
are a message of the user. Messages of the same role are joined, since many templates expect two roles that
alternate.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec.structs import replace

from headrace.wire.request import RequestFunction, RequestMessage

__all__ = ["describe_tools"]

_INTRODUCTION: Final = """\
You can call functions. To call some, answer with nothing but a JSON object for each, on a line of its own:
{"name": the name of the function, "arguments": an object}
The next message has the results. If you need no function, answer in plain text.

Functions:
"""


def describe_tools(
    messages: Iterable[RequestMessage], tools: Sequence[Mapping[str, Any]], role: Literal["system", "user"]
) -> list[RequestMessage]:
    """Return messages of text only.

    Args:
        messages: of the request.
        tools: of the request, as JSON objects.
        role: of the message that describes the tools; a first message of the same role follows it.
    """
    described = [RequestMessage(role, _introduction(tools))] if tools else []
    joined: list[RequestMessage] = []
    for message in (*described, *_without_calls(messages)):
        if joined and joined[-1].role == message.role != "assistant":
            joined[-1] = replace(message, content=f"{joined[-1].text}\n\n{message.text}")
        else:
            joined.append(message)
    return joined


def _introduction(tools: Sequence[Mapping[str, Any]]) -> str:
    return _INTRODUCTION + "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)


def _without_calls(messages: Iterable[RequestMessage]) -> Iterator[RequestMessage]:
    names: dict[str | None, str] = {}
    for message in messages:
        calls = message.tool_calls or []
        names |= {call.id: call.function.name for call in calls}
        if message.role == "tool":
            name = message.name or names.get(message.tool_call_id, "the function")
            yield RequestMessage("user", f"Result of {name}:\n{message.text}")
        elif calls:
            texts = [message.text, *(_written(call.function) for call in calls)]
            yield replace(message, content="\n".join(filter(None, texts)), tool_calls=None)
        else:
            yield message


def _written(function: RequestFunction) -> str:
    call = {"name": function.name, "arguments": function.parsed}
    return json.dumps(call, ensure_ascii=False)
