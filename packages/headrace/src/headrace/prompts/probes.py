"""Finds out how a chat template expects messages, by rendering probes with known values.

Templates disagree about the form of what a request contains (`Shape`), and one that expects another form
often leaves the value out without an error. So the first shape in which everything is in the prompt is used.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final

import msgspec

from headrace.errors import RequestError
from headrace.prompts.messages import Shape, template_message
from headrace.wire.request import RequestFunction, RequestMessage, RequestToolCall

__all__ = ["PROBED", "Render", "find_shape"]

Render = Callable[[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]], str]
"""Messages and tools → the prompt.

Raises:
    RequestError: the template rejects the messages.
"""

_USER: Final = RequestMessage("user", "probe-user")
_ANSWER: Final = RequestMessage("assistant", "probe-answer")
# Mistral's templates require an id of nine letters or digits.
_CALL: Final = RequestToolCall(RequestFunction("probe_call", '{"probe_key": "probe-value"}'), "probe0001")
_CALLING: Final = RequestMessage("assistant", "", reasoning_content="probe-reasoning", tool_calls=[_CALL])
_RESULT: Final = RequestMessage("tool", "probe-result", tool_call_id=_CALL.id)
_TOOL: Final = {
    "type": "function",
    "function": {
        "name": "probe_tool",
        "description": "probe",
        "parameters": {"type": "object", "properties": {"probed": {"type": "string", "description": "p"}}},
    },
}

_TURNS: Final = (_USER, _ANSWER, _USER)
_LOOP: Final = (_USER, _CALLING, _RESULT)
_IN_TURNS: Final[Mapping[str, Callable[[str], bool]]] = {
    "messages": lambda prompt: prompt.count("probe-user") > 1 and "probe-answer" in prompt,
}
_IN_LOOP: Final[Mapping[str, Callable[[str], bool]]] = {
    "tools": lambda prompt: "probe_tool" in prompt,
    "tool calls": lambda prompt: "probe_call" in prompt,
    # Neither as text within JSON text, nor as Python's representation of an object.
    "arguments of tool calls": lambda prompt: (
        "probe-value" in prompt and not any(wrong in prompt for wrong in (r"\"probe_key", "'probe_key'"))
    ),
    "tool results": lambda prompt: "probe-result" in prompt,
    "reasoning of tool calls": lambda prompt: "probe-reasoning" in prompt,
}

PROBED: Final = (*_IN_TURNS, *_IN_LOOP)
"""What is probed, in the words of the banner."""


def _shapes() -> Iterator[Shape]:
    yes_no = (False, True)
    fields = ("reasoning_content", "thinking", "reasoning")
    return (Shape(*choices) for choices in product(yes_no, yes_no, yes_no, fields, ("tool", "observation")))


def _changes(shape: Shape) -> int:
    pairs = zip(msgspec.structs.astuple(shape), msgspec.structs.astuple(Shape()), strict=True)
    return sum(one != other for one, other in pairs)


_SHAPES: Final = sorted(_shapes(), key=_changes)
"""The usual one first, then those that differ least from it."""


def find_shape(render: Render) -> tuple[Shape, tuple[str, ...]]:
    """Return the shape in which most of what is probed is in the prompt, and what is in none."""
    best, most = Shape(), frozenset[str]()
    for shape in _SHAPES:
        found = _found(render, shape)
        if len(found) > len(most):
            best, most = shape, found
        if len(most) == len(PROBED):
            break
    if _rejects_two_texts(render, best):
        best = msgspec.structs.replace(best, one_text=True)
    return best, tuple(what for what in PROBED if what not in most)


def _found(render: Render, shape: Shape) -> frozenset[str]:
    turns = _prompt(render, _TURNS, shape) or ""
    loop = _prompt(render, _LOOP, shape) or ""
    return frozenset(
        what
        for prompt, tests in ((turns, _IN_TURNS), (loop, _IN_LOOP))
        for what, is_in in tests.items()
        if is_in(prompt)
    )


def _rejects_two_texts(render: Render, shape: Shape) -> bool:
    both = msgspec.structs.replace(_CALLING, content="probe-answer")
    one = _prompt(render, _LOOP, shape)
    return one is not None and _prompt(render, (_USER, both, _RESULT), shape) is None


def _prompt(render: Render, messages: Sequence[RequestMessage], shape: Shape) -> str | None:
    try:
        return render([template_message(message, shape) for message in messages], [_TOOL])
    except RequestError:
        return None
