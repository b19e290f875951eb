"""The 42 conversations of `benchmarks/templates.py`: requests as clients send them, without the model."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["CONVERSATIONS", "marks"]

Json = dict[str, Any]

_DAYS: Final = {"type": "array", "items": {"type": "string", "enum": ["sábado", "日曜日"]}}
_TRIP: Final = {"type": "object", "properties": {"from": {"type": "string"}, "days": _DAYS}}


def _tool(name: str, description: str, properties: Json) -> Json:
    parameters = {"type": "object", "properties": properties, "required": list(properties)[:1]}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


_TOOLS: Final = [
    _tool(
        "find_train",
        "Züge und Fähren — 列车",
        {"to": {"type": "string", "description": "Ziel"}, "trip": _TRIP},
    ),
    _tool("read_clock", "The time in a zone", {"zone": {"type": "string"}, "hours": {"type": "integer"}}),
]


def _user(content: Any, **more: Any) -> Json:
    return {"role": "user", "content": content, **more}


def _answer(content: Any, **more: Any) -> Json:
    return {"role": "assistant", "content": content, **more}


def _system(content: Any) -> Json:
    return {"role": "system", "content": content}


def _call(number: int, name: str, arguments: Json) -> Json:
    text = json.dumps(arguments, ensure_ascii=False)
    return {"id": f"callnr{number:03}", "type": "function", "function": {"name": name, "arguments": text}}


def _result(number: int, content: Any, **more: Any) -> Json:
    return {"role": "tool", "tool_call_id": f"callnr{number:03}", "content": content, **more}


def _parts(*texts: str) -> list[Json]:
    return [{"type": "text", "text": text} for text in texts]


def _with_tools(*messages: Json, **more: Any) -> Json:
    return {"messages": [*messages], "tools": _TOOLS, **more}


def _plain(*messages: Json, **more: Any) -> Json:
    return {"messages": [*messages], **more}


_ASK: Final = _user("How do I get to Lyon?")
_TRAIN: Final = _call(1, "find_train", {"to": "Lyon"})
_NESTED: Final = _call(2, "find_train", {"to": "Orléans", "trip": {"from": "Köln", "days": ["日曜日"]}})
_CLOCK: Final = _call(3, "read_clock", {"zone": "Asia/Tokyo", "hours": 24})
_BARE: Final = _call(4, "read_clock", {})
_FOUND: Final = _result(1, "Track 7")
_THOUGHT: Final = {"reasoning_content": "Lyon has two stations."}
_TURNS: Final = (_ASK, _answer("By train."), _user("And back?"))
_THINKING_TURNS: Final = (_ASK, _answer("By train.", **_THOUGHT), _user("And back?"))
_OFF: Final = {"thinking": {"type": "disabled"}}
_KEPT: Final = {"thinking": {"type": "enabled", "clear_thinking": False}}
# Tags that templates write, those of switches among them.
_MARKUP: Final = "Say <think>, </think>, <|im_end|>, <tool_call>, [INST], /no_think and <|think_off|>."

CONVERSATIONS: Final[Mapping[str, Json]] = {
    "a user": _plain(_ASK),
    "a system message": _plain(_system("Be brief."), _ASK),
    "two turns": _plain(*_TURNS),
    "a system message and turns": _plain(_system("Be brief."), *_TURNS),
    "parts": _plain(_user(_parts("How do I get ", "to Lyon?"))),
    "parts in every message": _plain(
        _system(_parts("Be brief.")), _user(_parts("Lyon?")), _answer(_parts("Yes.")), _user(_parts("And?"))
    ),
    "tools": _with_tools(_ASK),
    "tools and a system message": _with_tools(_system("Be brief."), _ASK),
    "tools and turns": _with_tools(*_TURNS),
    "a call, content empty": _with_tools(_ASK, _answer("", tool_calls=[_TRAIN]), _FOUND),
    "a call, content null": _with_tools(_ASK, _answer(None, tool_calls=[_TRAIN]), _FOUND),
    "a call, content absent": _with_tools(_ASK, {"role": "assistant", "tool_calls": [_TRAIN]}, _FOUND),
    "a call after text": _with_tools(_ASK, _answer("Let me see.", tool_calls=[_TRAIN]), _FOUND),
    "a call with nested arguments": _with_tools(
        _ASK, _answer("", tool_calls=[_NESTED]), _result(2, "Track 3")
    ),
    "a call without arguments": _with_tools(_ASK, _answer("", tool_calls=[_BARE]), _result(4, "12:30")),
    "two calls": _with_tools(_ASK, _answer("", tool_calls=[_TRAIN, _CLOCK]), _FOUND, _result(3, "18:45")),
    "calls in two steps": _with_tools(
        _ASK, _answer("", tool_calls=[_TRAIN]), _FOUND, _answer("", tool_calls=[_CLOCK]), _result(3, "18:45")
    ),
    "a turn after a call": _with_tools(
        _ASK, _answer("", tool_calls=[_TRAIN]), _FOUND, _answer("From track 7."), _user("When?")
    ),
    "calls without tools": _plain(
        _ASK, _answer("", tool_calls=[_TRAIN]), _FOUND, _answer("From track 7."), _user("When?")
    ),
    "a result in JSON": _with_tools(
        _ASK, _answer("", tool_calls=[_TRAIN]), _result(1, '{"track": 7, "at": ["12:05", "é"]}')
    ),
    "a result in parts": _with_tools(
        _ASK, _answer("", tool_calls=[_TRAIN]), _result(1, _parts("Track", " 7"))
    ),
    "a result with a name": _with_tools(
        _ASK, _answer("", tool_calls=[_TRAIN]), _result(1, "Track 7", name="find_train")
    ),
    "a user with a name": _plain(_user("Lyon?", name="Amélie")),
    "reasoning in a loop": _with_tools(_ASK, _answer("", tool_calls=[_TRAIN], **_THOUGHT), _FOUND),
    "reasoning and text in a loop": _with_tools(
        _ASK, _answer("Let me see.", tool_calls=[_TRAIN], **_THOUGHT), _FOUND
    ),
    "reasoning in turns": _plain(*_THINKING_TURNS),
    "reasoning in turns, kept": _plain(*_THINKING_TURNS, **_KEPT),
    "reasoning in a loop, kept": _with_tools(
        *_THINKING_TURNS, _answer("", tool_calls=[_TRAIN], reasoning_content="Now."), _FOUND, **_KEPT
    ),
    "thinking off": _plain(_ASK, **_OFF),
    "thinking off, with tools": _with_tools(_system("Be brief."), _ASK, **_OFF),
    "thinking off in a loop": _with_tools(_ASK, _answer("", tool_calls=[_TRAIN]), _FOUND, **_OFF),
    "effort low": _plain(_ASK, reasoning_effort="low"),
    "effort high": _plain(_ASK, reasoning_effort="high"),
    "effort none": _plain(_ASK, reasoning_effort="none"),
    "effort minimal": _plain(_ASK, reasoning_effort="minimal"),
    "effort max": _plain(_ASK, reasoning_effort="max"),
    "an empty answer": _plain(_ASK, _answer(""), _user("Hello?")),
    "Chinese and emoji": _plain(
        _system("请简短。"), _user("里昂怎么走？🚄👩‍🚀"), _answer("坐火车。"), _user("多久？")
    ),
    "outer white space": _plain(_user("\n  Lyon?\t\n"), _answer(" By train.\n"), _user("  Back? ")),
    "two users in a row": _plain(_ASK, _user("Quickly!")),
    "markup of a user": _plain(_user(_MARKUP)),
    "markup of a tool": _with_tools(_ASK, _answer("", tool_calls=[_TRAIN]), _result(1, _MARKUP)),
}  # fmt: skip


def marks(conversation: Json) -> list[tuple[str, ...]]:
    """Return what should be in the prompt: texts of users and tools, calls by name or id, their arguments."""
    found: list[tuple[str, ...]] = [(tool["function"]["name"],) for tool in conversation.get("tools", ())]
    for message in conversation["messages"]:
        content = message.get("content") or ""
        texts = [content] if isinstance(content, str) else [part["text"] for part in content]
        found += [(text.strip(),) for text in texts if message["role"] in ("user", "tool")]
        for call in message.get("tool_calls", ()):
            found.append((call["function"]["name"], call["id"]))
            found += [(text,) for text in _strings(json.loads(call["function"]["arguments"]))]
    return found


def _strings(value: Any) -> Sequence[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in _strings(item)]
