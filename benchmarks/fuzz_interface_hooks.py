"""What JSON Schema cannot express about a request, for schemathesis: hooks that make a valid request obey it.

The names of tools are unique, a `tool_choice` names one of them, a result has its call, the last message is a
user's, nothing refers to a stored response, and a position is that of an event. Only a resumable turn can
linger.
"""

import re
from typing import Any

import schemathesis


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:  # noqa: ARG001 - its name is part of the interface
    if isinstance(body, dict):
        _complete_chat(body)
    return body


def _complete_chat(body: dict[str, Any]) -> None:
    functions = [
        one["function"] for one in _dicts(body.get("tools")) if isinstance(one.get("function"), dict)
    ]
    names = _number([function for function in functions if function.get("name")])
    choice = body.get("tool_choice")
    chosen = choice.get("function") if isinstance(choice, dict) else None
    if names and isinstance(chosen, dict) and isinstance(chosen.get("name"), str):
        chosen["name"] = names[0]


def _complete_messages(body: dict[str, Any]) -> None:
    """Give every result a call, and let the last message be a user's."""
    _number(_dicts(body.get("tools")))
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return
    completed: list[Any] = []
    for message in messages:
        blocks = _dicts(message.get("content")) if isinstance(message, dict) else []
        for key in ("id", "tool_use_id"):
            _number([block for block in blocks if key in block], key)
        results = [block for block in blocks if isinstance(block.get("tool_use_id"), str)]
        if results and message.get("role") == "user":
            calls = [
                {"type": "tool_use", "id": result["tool_use_id"], "name": "f", "input": {}}
                for result in results
            ]
            completed.append({"role": "assistant", "content": calls})
        completed.append(message)
    body["messages"] = [*completed, {"role": "user", "content": "Hello"}]


def _complete_response(body: dict[str, Any]) -> None:
    """Give every output a call, refer to nothing that is stored, and choose a tool that there is."""
    tools = _dicts(body.get("tools"))
    names = _number([tool for one in tools for tool in (one, *_dicts(one.get("tools")))])
    usable = [tool for tool in tools if tool.get("type") in ("function", "custom")]
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and names and usable and isinstance(choice.get("name"), str):
        choice["name"] = usable[0].get("name")
    elif isinstance(choice, dict | str) and choice not in ("auto", "none") and not usable:
        body.pop("tool_choice")
    if isinstance(body.get("previous_response_id"), str):
        body["previous_response_id"] = None
    if body.get("background") is True and body.get("store") is False:
        body["store"] = True
    items = body.setdefault("input", "Hello")
    if isinstance(items, list):
        outputs = [item for item in _dicts(items) if str(item.get("type")).endswith("_call_output")]
        calls = [
            {"type": "function_call", "call_id": output["call_id"], "name": "f"}
            for output in outputs
            if isinstance(output.get("call_id"), str)
        ]
        for item in _dicts(items):
            if item.get("type") == "item_reference" and isinstance(item.get("id"), str):
                item["id"] = "rs_1"  # of reasoning, which need not be stored any more
        body["input"] = [*calls, *items, {"role": "user", "content": "Hello"}]


def _dicts(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _number(owners: list[dict[str, Any]], key: str = "name") -> list[str]:
    """Make the texts in a field unique, and return them."""
    texts = []
    for number, owner in enumerate(owners):
        if isinstance(owner.get(key), str) and (owner[key] or key != "name"):
            owner[key] = f"{owner[key][:60]}{number}"
            texts.append(owner[key])
    return texts


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:  # noqa: ARG001
    return _with_position(query, "after")


@schemathesis.hook
def map_headers(context: Any, headers: Any) -> Any:  # noqa: ARG001
    return _with_position(headers, "Last-Event-ID")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:  # noqa: ARG001
    path = case.operation.path
    if path.endswith("/input_items"):
        (case.query or {}).pop("after", None)
    _with_position(case.query, "starting_after")
    if isinstance(case.body, dict) and "/messages" in path:
        _complete_messages(case.body)
    elif isinstance(case.body, dict) and path.endswith("/responses"):
        _complete_response(case.body)
    if "X-Headrace-Linger" in (case.headers or {}):
        case.headers["X-Headrace-Resumable"] = "1"


def _with_position(fields: Any, name: str) -> Any:
    if fields and re.fullmatch("[0-9]{1,18}", str(fields.get(name, ""))):
        fields[name] = "1"
    return fields
