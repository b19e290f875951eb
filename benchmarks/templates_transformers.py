"""transformers for `benchmarks/templates.py`, in an environment of its own: lines of JSON in and out.

A line is `{"template", "tokens", "request", "forms"}`. The answer lists `[form, prompt, error]`: the first
one has the messages as they were sent, with arguments as objects, as transformers expects them. With `forms`,
those follow in which templates want the same conversation: combinations of the changes below.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

logging.disable(logging.WARNING)  # torch is not installed, and not needed
from transformers.utils.chat_template_utils import (  # noqa: E402
    _compile_jinja_template,
    render_jinja_template,
)

Json = dict[str, Any]
Change = Callable[[Json], Json | None]
"""A request → the changed one; None if it has nothing to change."""

_SHIFT = 0xE000  # to characters for private use
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def _each(change: Callable[[Json], Json]) -> Change:
    """Change each message."""

    def changed(request: Json) -> Json | None:
        messages = [change(message) for message in request["messages"]]
        return None if messages == request["messages"] else {**request, "messages": messages}

    return changed


def _arguments_as_text(message: Json) -> Json:
    calls = message.get("tool_calls")
    if not calls:
        return message
    functions = [{**call["function"], "arguments": call["text"]} for call in calls]
    return {
        **message,
        "tool_calls": [{**call, "function": new} for call, new in zip(calls, functions, strict=True)],
    }


def _content(value: str | None) -> Change:
    return _each(lambda m: m if not m.get("tool_calls") or m.get("content") else {**m, "content": value})


def _joined(message: Json) -> Json:
    parts = message.get("content")
    return (
        {**message, "content": "".join(part["text"] for part in parts)}
        if isinstance(parts, list)
        else message
    )


def _as_parts(message: Json) -> Json:
    text = _joined(message).get("content")
    parts = [{"type": "text", "text": text}] if text or not message.get("tool_calls") else []
    return {**message, "content": parts}


def _renamed(name: str) -> Change:
    return _each(lambda m: {name if key == "reasoning_content" else key: value for key, value in m.items()})


def _in_one_text(message: Json) -> Json:
    if not (message.get("tool_calls") and message.get("content") and message.get("reasoning_content")):
        return message
    both = f"{message['reasoning_content']}\n\n{message['content']}"
    return {**message, "content": "", "reasoning_content": both, "thinking": both}


def _named(request: Json) -> Json | None:
    """Add the function's name to each result."""
    calls = [call for message in request["messages"] for call in message.get("tool_calls") or []]
    names = {call["id"]: call["function"]["name"] for call in calls}
    change = _each(lambda m: {"name": names[m["tool_call_id"]], **m} if m["role"] == "tool" else m)
    return change(request)


def _observation(message: Json) -> Json:
    return {**message, "role": "observation"} if message["role"] == "tool" else message


def _metadata(request: Json) -> Json | None:
    """Write each call as a message with the tool's name as its metadata, as for GLM-4."""
    messages = []
    for message in request["messages"]:
        calls = message.get("tool_calls") or []
        if not calls or message.get("content"):
            plain = {key: value for key, value in message.items() if key != "tool_calls"}
            messages.append(_observation(plain))
        messages += [
            {"role": "assistant", "metadata": call["function"]["name"], "content": call["text"]}
            for call in calls
        ]
    return None if messages == request["messages"] else {**request, "messages": messages}


def _tools_in_message(request: Json) -> Json | None:
    if not request["tools"]:
        return None
    first = {"role": "system", "content": "", "tools": request["tools"]}
    return {**request, "messages": [first, *request["messages"]]}


def _effort(effort: str | None) -> Change:
    def changed(request: Json) -> Json | None:
        if request["reasoning_effort"] is None and request["enable_thinking"]:
            return None
        return {**request, "reasoning_effort": effort}

    return changed


def _shifted(message: Json) -> Json:
    """Replace what could be markup in the texts of users and tools; `_render` restores it."""
    content = message.get("content")
    if message["role"] not in ("user", "tool") or not isinstance(content, str):
        return message
    shifted = re.sub(r"[<\[\]]", lambda match: chr(_SHIFT + ord(match[0])), content)
    return {**message, "content": shifted}


_CHANGES: list[dict[str, Change]] = [
    {"results with a name": _named},
    {"arguments as text": _each(_arguments_as_text), "calls as metadata": _metadata},
    {'content "" beside calls': _content(""), "content null beside calls": _content(None)},
    {"parts as one text": _each(_joined), "text as parts": _each(_as_parts)},
    {"reasoning as thinking": _renamed("thinking"), "reasoning as reasoning": _renamed("reasoning")},
    {"reasoning with the text": _each(_in_one_text)},
    {"results as observation": _each(_observation)},
    {"tools in a message": _tools_in_message},
    {f"effort {effort}": _effort(effort) for effort in (None, *_EFFORTS)},
    {"markup of users as text": _each(_shifted)},
]


_WORDS = {"calls as metadata": "metadata", "results as observation": "observation"}
"""What a template that knows these forms contains; others may write any field and role."""


def _forms(request: Json, template: str) -> Iterator[tuple[str, Json]]:
    """List the combinations of all changes that change this request and that the template may know."""
    unknown = [name for name, word in _WORDS.items() if word not in template]
    choices = [
        [
            ("", None),
            *((name, change) for name, change in group.items() if name not in unknown and change(request)),
        ]
        for group in _CHANGES
    ]
    for combination in product(*choices):
        changed = request
        for _, change in combination:
            changed = (change and change(changed)) or changed
        yield ", ".join(name for name, change in combination if change), changed


def _request(body: Json) -> Json:
    """Set the variables that docs/engines.md describes; parse the arguments."""
    thinking = body.get("thinking", {})
    effort = body.get("reasoning_effort")
    thinks = thinking.get("type") != "disabled" and effort not in ("none", "minimal")
    messages = []
    for message in body["messages"]:
        calls = [
            {**call, "text": (text := call["function"]["arguments"]),
             "function": {**call["function"], "arguments": json.loads(text)}}
            for call in message.get("tool_calls", ())
        ]  # fmt: skip
        messages.append({**message, "tool_calls": calls} if calls else message)
    clear = thinking.get("clear_thinking", True)
    return {
        "messages": messages,
        "tools": body.get("tools"),
        "enable_thinking": thinks,
        "thinking": thinks,
        "clear_thinking": clear,
        "preserve_thinking": not clear,
        "drop_thinking": clear,
        "reasoning_effort": effort,
    }


def _render(template: str, tokens: Json, request: Json) -> tuple[str, str]:
    messages = [{key: _public(value) for key, value in message.items()} for message in request["messages"]]
    variables = {key: value for key, value in request.items() if key not in ("messages", "tools")}
    if variables["reasoning_effort"] is None:
        del variables["reasoning_effort"]
    else:
        variables["thinking_effort"] = variables["reasoning_effort"]
    if variables["enable_thinking"]:
        variables["thinking_mode"] = "enabled"
    else:
        variables |= {"thinking_mode": "disabled", "thinking_budget": 0}
    try:
        prompts, _ = render_jinja_template(
            [messages],
            tools=request["tools"],
            chat_template=template,
            add_generation_prompt=True,
            **tokens,
            **variables,
        )
    except Exception as error:  # noqa: BLE001 - whatever a template raises
        return "", str(error) or type(error).__name__
    return re.sub("[\ue000-\ue0ff]", lambda match: chr(ord(match[0]) - _SHIFT), prompts[0]), ""


def _public(value: Any) -> Any:
    """Leave out the arguments as they were sent."""
    if not isinstance(value, list):
        return value
    return [
        {key: item for key, item in entry.items() if not (key == "text" and "function" in entry)}
        for entry in value
    ]


def _environment() -> Json:
    """List the names that a template can use."""
    environment = _compile_jinja_template("").environment
    tags = {tag for extension in environment.iter_extensions() for tag in extension.tags}
    names = {kind: sorted(getattr(environment, kind)) for kind in ("filters", "tests", "globals")}
    return {**names, "tags": sorted(tags)}


def main() -> None:
    print(json.dumps(_environment()), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        request = _request(job["request"])
        answers = [["", *_render(job["template"], job["tokens"], request)]]
        if answers[0][2] and not request["enable_thinking"]:  # some templates reject that
            request |= {"enable_thinking": True, "thinking": True}
        if job["forms"]:
            forms = _forms(request, job["template"])
            answers += ([name, *_render(job["template"], job["tokens"], form)] for name, form in forms)
        print(json.dumps(answers), flush=True)


main()
