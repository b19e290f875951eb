r"""Gemma 4.

    output    ["<|channel>thought\n" reasoning "\n<channel|>"] content call*
    call      "<|tool_call>call:" name "{" [argument ("," argument)*] "}<tool_call|>"
    argument  key ":" value
    value     '<|"|>' text '<|"|>', or a number, true, false, or a list or object of values

Without thinking, the prompt ends with an empty thought. Gemma 3 has no markup of calls.
Source: the chat template of google/gemma-4-31B-it.
"""

from typing import Final

from headrace.formats.format import ANY_TEXT, Condition, Format, Lookahead, State, Syntax, Transition
from headrace.formats.transitions import IN_ANSWER, IN_THINKING, each

__all__ = ["FAMILY"]

_CALL, _CALL_END = "<|tool_call>", "<tool_call|>"
_BEGIN: Final = f"{_CALL}call:"
_KNOWN_NAME: Final[Condition] = ((Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "{"),)
_ANY_NAME: Final[Condition] = ((Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, "{"),)
_KNOWN: Final = Transition(State.BEFORE_NAME, _KNOWN_NAME)
_AT_ONCE: Final = Transition(State.BEFORE_NAME, ((Lookahead.KNOWN_NAME, "{"),), partial=False)
_FIRST_BARE_CALL: Final[Condition] = ((Lookahead.KNOWN_NAME, "{", Lookahead.KEY, ":"),)

_GEMMA_4: Final = Format(
    name="gemma-4",
    model_names=r"gemma-?4",
    signs=("<|turn>",),
    thinking_tags=("<|channel>thought", "<channel|>"),
    transitions={
        (State.REASONING, "\n<channel|>"): Transition(State.OPEN),
        **each(IN_THINKING, _BEGIN, _KNOWN),
        **each(IN_ANSWER, _BEGIN, Transition(State.BEFORE_NAME, _ANY_NAME)),
        (State.NAME, "{"): Transition(State.KEYWORDS),
        (State.CALLS, _CALL_END): Transition(State.CALLS),
        # Missing and doubled tags.
        **each(IN_ANSWER, _CALL, _KNOWN),
        **each(IN_ANSWER, _CALL + _BEGIN, _KNOWN),
        **each(IN_ANSWER, _BEGIN + _BEGIN, _KNOWN),
        **each((State.START, State.OPEN, State.CONTENT), _CALL_END, _AT_ONCE),
        **each((State.START, State.OPEN), ANY_TEXT, Transition(State.NAME, _FIRST_BARE_CALL)),
        (State.CALLS, _BEGIN): Transition(State.BEFORE_NAME, _ANY_NAME, otherwise=Transition(State.CALLS)),
        (State.CALLS, "call:"): _KNOWN,
        (State.CALLS, ANY_TEXT): Transition(State.NAME, ((Lookahead.KNOWN_NAME, "{"),)),
        (State.CALLS, "}"): Transition(State.CALLS, ((Lookahead.SPACE, _CALL_END),)),
        (State.NAME, _CALL_END): Transition(State.CALLS),
        (State.NAME, "{{"): Transition(State.KEYWORDS),
        # Broken arguments.
        (State.KEYWORDS, _CALL_END): Transition(State.CALLS, ((Lookahead.OUTSIDE_STRING,),)),
        (State.KEYWORDS, _CALL): Transition(State.CALLS, ((Lookahead.OUTSIDE_STRING,),), consume=False),
    },
    stop_tokens=("<turn|>", "<|tool_response>", "<eos>"),
    leading_text={State.REASONING: "\n"},
    syntax=Syntax(
        call=f"{_BEGIN}{{name}}{{{{arguments}}}}{_CALL_END}",
        argument='{key}:<|"|>{value}<|"|>',
        value_end='<|"|>',
        json_argument="{key}:{value}",
        argument_separator=",",
        key_pattern=r"\w{1,64}",
    ),
)
FAMILY: Final = (_GEMMA_4,)
