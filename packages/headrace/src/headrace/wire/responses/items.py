"""The input of a Responses request → the messages of a chat.

Items in a row that the model has written become one message: its reasoning, its text and its calls. An output
follows the message with its call, wherever the client has put it, because chat templates and other servers
require that. System messages at the beginning become one, since many templates accept no more.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from headrace.errors import RequestError
from headrace.wire.expected import show
from headrace.wire.json_value import DepthError, SizeError, decode_json
from headrace.wire.responses.content import decode_content, decode_text, read_text
from headrace.wire.responses.custom_input import INPUT
from headrace.wire.responses.tools import flat_name

__all__ = ["HOSTED_CALLS", "Messages", "as_items", "decode_input"]

_SYSTEM: Final = ("system", "developer")
_ROLES: Final = ("user", "assistant", *_SYSTEM)

HOSTED_CALLS: Final = (
    "code_interpreter_call",
    "file_search_call",
    "image_generation_call",
    "mcp_list_tools",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
)
"""Items about tools that another server has run. They have no result for the model: the answer has it."""


class Messages(msgspec.Struct):
    """The messages of a chat.

    Args:
        messages: as chat completions have them.
        sources: the field that the content of each message begins at.
        left_out: the items that the model does not get, and their types.
    """

    messages: list[dict[str, Any]] = []
    sources: list[str] = []
    left_out: list[str] = []


def decode_input(items: Any, instructions: Any = None, before: Sequence[Any] = ()) -> Messages:
    """Convert the fields `input` and `instructions`.

    Args:
        items: the input.
        instructions: a system message.
        before: the items of an earlier response, before the input.

    Raises:
        RequestError: 1210, an item of an unsupported type; 1213, a field is missing; 1214, it is invalid.
    """
    chat = _Chat()
    if instructions is not None:
        if not isinstance(instructions, str):
            raise RequestError(f"instructions is {show(instructions)}; it must be a string")
        chat.add_message("instructions", "system", instructions)
    for index, item in enumerate([*before, *as_items(items)], -len(before)):
        where = f"input[{index}]" if index >= 0 else "previous_response_id"
        if not isinstance(item, dict):
            raise RequestError(f"{where} is {show(item)}; it must be an object")
        _decode_item(chat, where, item)
    return chat.finish()


def as_items(input: Any) -> list[Any]:
    """Return the field `input` as a list: a string is the message of a user.

    Raises:
        RequestError: 1214, it is neither.
    """
    if isinstance(input, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": input}]}]
    if not isinstance(input, list):
        raise RequestError(f"input is {show(input)}; it must be a string or a list of items")
    return input


class _Group:
    """A message and, if it has calls, their outputs."""

    def __init__(self, source: str, message: dict[str, Any]) -> None:
        self.source = source
        self.message = message
        self.outputs: list[tuple[str, dict[str, Any]]] = []
        self._texts: dict[str, list[str]] = {}  # by field: joining each at once would take quadratic time

    @property
    def role(self) -> Any:
        return self.message["role"]

    def add(self, field: str, text: str) -> None:
        """Add a paragraph to a field of the message."""
        if text:
            self._texts.setdefault(field, []).append(text)

    def finish(self) -> dict[str, Any]:
        """Return the message with all paragraphs."""
        return self.message | {field: "\n\n".join(texts) for field, texts in self._texts.items()}


class _Chat:
    """The messages so far."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self._groups: list[_Group] = []
        self._calls: dict[str, _Group] = {}

    def add_message(self, where: str, role: str, content: Any) -> None:
        is_first = all(group.role == "system" for group in self._groups)
        if role == "system" and is_first and self._groups:
            self._groups[0].add("content", content)
            return
        group = _Group(where, {"role": role, "content": content})
        self._groups.append(group)
        if role == "system":
            group.add("content", content)

    def answer(self, where: str) -> _Group:
        """Return the group of the message of the model that the next item belongs to."""
        if not self._groups or self._groups[-1].role != "assistant" or self._groups[-1].outputs:
            self._groups.append(_Group(f"{where}.content", {"role": "assistant", "content": ""}))
        return self._groups[-1]

    def add_call(self, where: str, item: Mapping[str, Any], arguments: str) -> None:
        id, name = read_text(item, where, "call_id"), read_text(item, where, "name")
        namespace = item.get("namespace")
        name = flat_name(name, namespace if isinstance(namespace, str) else "")
        call = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        self._calls[id] = group = self.answer(where)
        group.message.setdefault("tool_calls", []).append(call)

    def add_output(self, where: str, id: str, content: Any) -> None:
        if id not in self._calls:
            msg = f"{where}.call_id is {show(id)}, which no call before it has; send the item with the call"
            raise RequestError(msg)
        self._calls[id].outputs.append(
            (f"{where}.output", {"role": "tool", "tool_call_id": id, "content": content})
        )

    def finish(self) -> Messages:
        pairs = [pair for group in self._groups for pair in ((group.source, group.finish()), *group.outputs)]
        sources, messages = [source for source, _ in pairs], [message for _, message in pairs]
        return Messages(messages, sources, self.left_out)


def _decode_item(chat: _Chat, where: str, item: Mapping[str, Any]) -> None:
    kind = item.get("type")
    if kind is None:
        kind = "message" if "role" in item else "item_reference"
    if kind in HOSTED_CALLS:
        chat.left_out.append(f"{where}.type is {show(kind)}")
        return
    decode = _ITEMS.get(kind) if isinstance(kind, str) else None
    if decode is None:
        msg = f"{where}.type is {show(kind)}, which is not supported here; leave the item out"
        raise RequestError(msg, code="1210")
    decode(chat, where, item)


def _message(chat: _Chat, where: str, item: Mapping[str, Any]) -> None:
    role, content = item.get("role"), item.get("content")
    if role not in _ROLES:
        raise RequestError(f"{where}.role is {show(role)}; it must be one of {', '.join(_ROLES)}")
    if role == "assistant":
        chat.answer(where).add("content", decode_text(f"{where}.content", content))
    elif role == "user":
        chat.add_message(f"{where}.content", role, decode_content(f"{where}.content", content))
    else:
        chat.add_message(f"{where}.content", "system", decode_text(f"{where}.content", content))


def _agent_message(chat: _Chat, where: str, item: Mapping[str, Any]) -> None:
    """Add what another agent has written to this one."""
    chat.add_message(f"{where}.content", "user", decode_content(f"{where}.content", item.get("content")))


def _reasoning(chat: _Chat, where: str, item: Mapping[str, Any]) -> None:
    """Add the reasoning: its text, or else its summary. What is encrypted, only another server can read."""
    text = decode_text(f"{where}.content", item.get("content"))
    text = text or decode_text(f"{where}.summary", item.get("summary"))
    chat.answer(where).add("reasoning_content", text)


def _function_call(chat: _Chat, where: str, item: Mapping[str, Any]) -> None:
    arguments = item.get("arguments")
    if isinstance(arguments, dict):
        arguments = msgspec.json.encode(arguments).decode()
    elif arguments is None:
        arguments = "{}"
    else:
        arguments = read_text(item, where, "arguments")
        _check_arguments(f"{where}.arguments", arguments)
    chat.add_call(where, item, arguments)


def _check_arguments(where: str, arguments: str) -> None:
    """Reject arguments of too many values or levels. They need not be JSON: a model has written them."""
    try:
        decode_json(arguments)
    except (SizeError, DepthError) as error:
        raise RequestError(
            f"{where} is {show(arguments)}; it must be a smaller JSON object ({error})"
        ) from None
    except ValueError:
        pass


def _custom_call(chat: _Chat, where: str, item: Mapping[str, Any]) -> None:
    text = read_text(item, where, "input")
    chat.add_call(where, item, msgspec.json.encode({INPUT: text}).decode())


def _output(chat: _Chat, where: str, item: Mapping[str, Any]) -> None:
    id = read_text(item, where, "call_id")
    chat.add_output(where, id, decode_content(f"{where}.output", item.get("output")))


def _unresolved(chat: _Chat, where: str, item: Mapping[str, Any]) -> None:
    """Leave out reasoning that is not stored any more; a model can do without."""
    if str(item.get("id")).startswith("rs_"):
        chat.left_out.append(f"{where}.id is {show(item['id'])}, which is not stored")
        return
    msg = f"{where}.id is {show(item.get('id'))}; no stored response of this key has such an item"
    raise RequestError(msg)


_ITEMS: Final[Mapping[str, Callable[[_Chat, str, Mapping[str, Any]], None]]] = {
    "message": _message,
    "agent_message": _agent_message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "custom_tool_call": _custom_call,
    "function_call_output": _output,
    "custom_tool_call_output": _output,
    "item_reference": _unresolved,
}
