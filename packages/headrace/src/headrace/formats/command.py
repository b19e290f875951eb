r"""Cohere's Command.

    R, R+      content | ["Plan: " … "\n"] "Action:\n```json\n[" object ("," object)* "]\n```"
      object   {"tool_name": …, "parameters": {…}}
    R7B, A     ["<|START_THINKING|>" reasoning "<|END_THINKING|>"] (answer | calls)
      answer   "<|START_RESPONSE|>" content "<|END_RESPONSE|>", later also with `TEXT`
      calls    "<|START_ACTION|>[" object ("," object)* "]<|END_ACTION|>"
      object   {"tool_call_id": …, "tool_name": …, "parameters": {…}}

Sources: the chat templates of CohereForAI/c4ai-command-r-plus and c4ai-command-r7b-12-2024.
"""

from typing import Final

from headrace.formats.format import Condition, Format, Lookahead, State, Syntax, Transition, Transitions
from headrace.formats.transitions import (
    ANY_TOOL_NAME,
    IN_ANSWER,
    KNOWN_TOOL_NAME,
    after_space,
    each,
    in_array,
)

__all__ = ["FAMILY"]

_ACTION, _ACTION_END = "<|START_ACTION|>", "<|END_ACTION|>"


def _objects(begin: str, end: str, call: Transition) -> Transitions:
    """Return the transitions of an array of calls, from its bracket on."""
    return {
        (State.CALLS, "["): call,
        (State.CALLS, ","): call,
        (State.CALLS, "]"): Transition(State.CALLS, after_space(begin, end, Lookahead.END)),
        (State.CALLS, end): Transition(State.CALLS),
        # Broken JSON.
        (State.CALL_OBJECT, end): Transition(State.CALLS, ((Lookahead.OUTSIDE_STRING,),)),
    }


_KNOWN: Final = Transition(State.BEFORE_CALL_OBJECT, KNOWN_TOOL_NAME)
_ANY: Final = Transition(State.BEFORE_CALL_OBJECT, ANY_TOOL_NAME)
_IN_ARRAY: Final = in_array(ANY_TOOL_NAME)
_ANSWERS: Final[Transitions] = {
    (state, f"<|{side}_{kind}|>"): Transition(State.CONTENT)
    for kind in ("RESPONSE", "TEXT")
    for side, states in (("START", (State.START, State.OPEN)), ("END", (State.CONTENT,)))
    for state in states
}

_KNOWN_ARRAY: Final[Condition] = in_array(KNOWN_TOOL_NAME)
_FENCED: Final[Condition] = (
    *_KNOWN_ARRAY,
    *(
        (Lookahead.SPACE, fence, *path)
        for fence in ("```json", "```", "```json```json")
        for path in _KNOWN_ARRAY
    ),
)

_COMMAND_R: Final = Format(
    name="command-r",
    model_names=r"command-?r",
    transitions={
        **each((State.START, State.CONTENT), "Action:", Transition(State.CALLS, _FENCED)),
        (State.CONTENT, "\nAction:"): Transition(State.CALLS, _FENCED),
        (State.CALLS, "```json"): Transition(State.CALLS),
        # Missing, doubled and swapped tags.
        **each((State.START, State.CONTENT), "Action:Action:", Transition(State.CALLS, _FENCED)),
        (State.START, "```json"): Transition(
            State.CALLS, (*_KNOWN_ARRAY, *((Lookahead.SPACE, "Action:", *path) for path in _KNOWN_ARRAY))
        ),
        (State.CALLS, "Action:"): Transition(State.CALLS),
        **_objects("Action:", "```", _KNOWN),
    },
    stop_tokens=("<|END_OF_TURN_TOKEN|>",),
    syntax=Syntax(
        call='{"tool_name": "{name}", "parameters": {arguments}}',
        calls="Action:\n```json\n[{calls}]\n```",
        separator=", ",
    ),
)
_COMMAND_A: Final = Format(
    name="command-a",
    aliases=("command-r7b",),
    model_names=r"command-?(a|r7b)",
    thinking_tags=("<|START_THINKING|>", "<|END_THINKING|>"),
    transitions={
        **_ANSWERS,
        **each(IN_ANSWER, _ACTION, Transition(State.CALLS, _IN_ARRAY)),
        **_objects(_ACTION, _ACTION_END, _ANY),
        # Missing, doubled and swapped tags.
        **each(IN_ANSWER, _ACTION + _ACTION, Transition(State.CALLS, _IN_ARRAY)),
        **each((State.START, State.OPEN), "[", Transition(State.CALLS, ANY_TOOL_NAME, consume=False)),
        **each((State.START, State.OPEN), _ACTION_END, Transition(State.CALLS, _IN_ARRAY)),
        (State.CALLS, _ACTION): Transition(State.CALLS, _IN_ARRAY, otherwise=Transition(State.CALLS)),
    },
    stop_tokens=("<|END_OF_TURN_TOKEN|>",),
    syntax=Syntax(
        call='{"tool_call_id": "{index}", "tool_name": "{name}", "parameters": {arguments}}',
        calls=f"{_ACTION}[{{calls}}]{_ACTION_END}",
        answer="<|START_RESPONSE|>{answer}<|END_RESPONSE|>",
        separator=", ",
    ),
)
FAMILY: Final = (_COMMAND_A, _COMMAND_R)
