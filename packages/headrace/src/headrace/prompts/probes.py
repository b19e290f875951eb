"""Finds out how a chat template expects messages, by rendering probes with known values.

Templates disagree about the form of what a request contains (`Shape`), and one that expects another form
often leaves the value out without an error. So the first shape in which everything is in the prompt is used.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, Final, Literal

import msgspec

from headrace.prompts.messages import Shape, template_input, template_messages
from headrace.wire.request import RequestFunction, RequestMessage, RequestToolCall

__all__ = ["Findings", "Render", "one_message", "probe", "probe_described_tools"]

Render = Callable[[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]], str | None]
"""Messages and tools → the prompt; None if the template rejects them."""

USER: Final = "the user's message"
MESSAGES: Final = "earlier messages"
TOOLS: Final = "tools"
CALLS: Final = "tool calls"
ARGUMENTS: Final = "arguments of tool calls"
RESULTS: Final = "tool results"
REASONING: Final = "reasoning of tool calls"

_USER: Final = RequestMessage("user", "probe-user")
_ANSWER: Final = RequestMessage("assistant", "probe-answer")
# Mistral's templates require an id of nine letters or digits.
_CALL: Final = RequestToolCall(RequestFunction("probe_call", '{"probe_key": "probe-value"}'), "probe0001")
_CALLING: Final = RequestMessage("assistant", "", reasoning_content="probe-reasoning", tool_calls=[_CALL])
_RESULT: Final = RequestMessage("tool", "probe-result", tool_call_id=_CALL.id)
_PARAMETERS: Final = {"type": "object", "properties": {"probed": {"type": "string", "description": "p"}}}

_ONE: Final = (_USER,)
_TURNS: Final = (_USER, _ANSWER, _USER)
_REMINDED: Final = (
    RequestMessage("system", "probe-first"),
    RequestMessage("system", "probe-first"),
    _USER,
    RequestMessage("system", "probe-later"),
    _ANSWER,
    _USER,
)
_LOOP: Final = (_USER, _CALLING, _RESULT)

_PROBES: Final[Mapping[str, tuple[tuple[str, ...], Callable[[str], bool]]]] = {
    USER: (("one", "turns"), lambda prompt: "probe-user" in prompt),
    MESSAGES: (("turns",), lambda prompt: prompt.count("probe-user") > 1 and "probe-answer" in prompt),
    TOOLS: (("one", "loop"), lambda prompt: "probe_tool" in prompt),
    # The id, which the result has as well, contains the name in Kimi's calls.
    CALLS: (("loop",), lambda prompt: "probe_call" in prompt or prompt.count(_CALL.id) > 1),
    # Neither as text within JSON text, nor as Python's representation of an object.
    ARGUMENTS: (
        ("loop",),
        lambda prompt: (
            "probe-value" in prompt and not any(wrong in prompt for wrong in (r"\"probe_key", "'probe_key'"))
        ),
    ),
    RESULTS: (("loop",), lambda prompt: "probe-result" in prompt),
    REASONING: (("loop",), lambda prompt: "probe-reasoning" in prompt),
}
"""What is probed, in the words of the banner: conversations of which one must show it, and how."""


def _tool(**more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "probe_tool", **more}}


_TOOL: Final = _tool(description="probe", parameters=_PARAMETERS)
_INCOMPLETE_TOOLS: Final = (
    _tool(),
    _tool(description=None, parameters=None),
    _tool(description="probe", parameters={"type": "object"}),
)


_CHANGES: Final[Sequence[tuple[str, dict[str, Any]]]] = (
    (ARGUMENTS, {"arguments_as_text": True}),
    (CALLS, {"null_content": True}),
    (USER, {"parts": True}),
    (RESULTS, {"parts": True}),
    (REASONING, {"reasoning": "thinking"}),
    (REASONING, {"reasoning": "reasoning"}),
    (RESULTS, {"result_name": True}),
    (RESULTS, {"result_role": "observation"}),
    (TOOLS, {"tools_in_message": True}),
    (CALLS, {"calls": "metadata", "result_role": "observation"}),
)
"""Changes of a shape, each with what must be in the prompt then."""

_STEPS: Final = (
    *(({what}, change) for what, change in _CHANGES),
    *(({one, other}, first | second) for (one, first), (other, second) in combinations(_CHANGES[:-1], 2)),
)
"""Single changes, and pairs of which neither helps alone."""


class Findings(msgspec.Struct, frozen=True):
    """What the probes have shown.

    Args:
        shape: the one in which most of what is probed is in the prompt.
        left_out: what is in the prompt in no shape.
        drops_results: whether tools are of no use, because their results do not get into the prompt.
    """

    shape: Shape
    left_out: tuple[str, ...]
    drops_results: bool


def probe(render: Render) -> Findings:
    """Find out what a template expects and leaves out."""
    shape, found = Shape(), _found(render, Shape())
    while len(found) < len(_PROBES) and (better := _improved(render, shape, found)):
        shape, found = better
    shape = msgspec.structs.replace(
        shape,
        one_text=_rejects_two_texts(render, shape),
        system_first=_needs_system_first(render, shape),
        complete_tools=_rejects_incomplete_tools(render, shape),
    )
    return _findings(render, shape, found)


def probe_described_tools(render: Render, findings: Findings) -> Findings:
    """Find out in which message tools can be described; return `findings` if in none."""
    roles: tuple[Literal["system", "user"], ...] = ("system", "user")
    for role in roles:
        shape = msgspec.structs.replace(findings.shape, described_tools=role)
        found = _found(render, shape)
        if {TOOLS, CALLS, ARGUMENTS, RESULTS} <= found:
            return _findings(render, shape, found)
    return findings


def _findings(render: Render, shape: Shape, found: frozenset[str]) -> Findings:
    # One that shows tools, but fails on results, may accept those of other conversations.
    is_certain = TOOLS not in found or _prompt(render, _LOOP, shape) is not None
    drops_results = MESSAGES in found and RESULTS not in found and is_certain
    return Findings(shape, tuple(what for what in _PROBES if what not in found), drops_results)


def _improved(render: Render, shape: Shape, found: frozenset[str]) -> tuple[Shape, frozenset[str]] | None:
    """Return the step after which most is in the prompt, the first one of several; None if none helps."""
    best = None
    most = len(found)
    for required, change in _STEPS:
        if required & found:
            continue
        changed = msgspec.structs.replace(shape, **change)
        now_found = _found(render, changed)
        if len(now_found) > most and required <= now_found:
            best, most = (changed, now_found), len(now_found)
    return best


def one_message(shape: Shape) -> list[dict[str, Any]]:
    """Return a conversation of one message, for probes of other variables."""
    return template_messages(_ONE, shape)


def _found(render: Render, shape: Shape) -> frozenset[str]:
    # Some templates need tools, others reject them.
    turns = render(template_messages(_TURNS, shape), []) or _prompt(render, _TURNS, shape)
    prompts = {"one": _prompt(render, _ONE, shape), "turns": turns, "loop": _prompt(render, _LOOP, shape)}
    return frozenset(
        what
        for what, (conversations, is_in) in _PROBES.items()
        if any(is_in(prompts[conversation] or "") for conversation in conversations)
    )


def _rejects_two_texts(render: Render, shape: Shape) -> bool:
    both = msgspec.structs.replace(_CALLING, content="probe-answer")
    one = _prompt(render, _LOOP, shape)
    return one is not None and _prompt(render, (_USER, both, _RESULT), shape) is None


def _needs_system_first(render: Render, shape: Shape) -> bool:
    """Return whether later system messages are rejected or left out, unlike those of `system_first`."""

    def is_shown(shape: Shape) -> bool:
        prompt = render(template_messages(_REMINDED, shape), [])
        return prompt is not None and all(text in prompt for text in ("probe-first", "probe-later"))

    return not is_shown(shape) and is_shown(msgspec.structs.replace(shape, system_first=True))


def _rejects_incomplete_tools(render: Render, shape: Shape) -> bool:
    accepts_tools = _prompt(render, _ONE, shape) is not None
    return accepts_tools and any(_prompt(render, _ONE, shape, tool) is None for tool in _INCOMPLETE_TOOLS)


def _prompt(
    render: Render, messages: Sequence[RequestMessage], shape: Shape, tool: dict[str, Any] = _TOOL
) -> str | None:
    return render(*template_input(messages, [tool], shape))
