r"""MiniMax M2.

    output    reasoning "\n</think>\n\n" content ("\n"? calls)?     the prompt ends with `<think>\n`
    calls     "<minimax:tool_call>\n" call* "</minimax:tool_call>"
    call      '<invoke name="' name '">\n' argument* "</invoke>\n"
    argument  '<parameter name="' key '">' value "</parameter>\n"

Source: the chat template of MiniMaxAI/MiniMax-M2.
"""

from typing import Final

from headrace.formats.format import Condition, Fingerprint, Format, Lookahead, State, Syntax, Transition
from headrace.formats.transitions import BETWEEN_ARGUMENTS, IN_ANSWER, IN_THINKING, THINK, after_space, each

__all__ = ["FAMILY"]

_CALLS, _CALLS_END = "<minimax:tool_call>", "</minimax:tool_call>"
_KNOWN_CALL: Final[Condition] = ((Lookahead.SPACE, '<invoke name="', Lookahead.KNOWN_NAME, '"'),)
_ANY_CALL: Final[Condition] = (
    (Lookahead.SPACE, '<invoke name="', Lookahead.ANY_NAME, '"'),
    (Lookahead.SPACE, _CALLS_END),
)

_MINIMAX_M2: Final = Format(
    name="minimax-m2",
    fingerprint=Fingerprint(template=(_CALLS,), model_name=r"minimax-?m2"),
    thinking_tags=THINK,
    transitions={
        (State.REASONING, "\n</think>"): Transition(State.OPEN),
        **each(IN_THINKING, _CALLS, Transition(State.CALLS, _KNOWN_CALL)),
        **each(IN_ANSWER, _CALLS, Transition(State.CALLS, _ANY_CALL)),
        (State.CONTENT, f"\n{_CALLS}"): Transition(State.CALLS, _ANY_CALL),
        (State.CALLS, _CALLS_END): Transition(State.CALLS),
        (State.CALLS, '<invoke name="'): Transition(State.NAME, ((Lookahead.ANY_NAME, '"'),)),
        (State.NAME, '">'): Transition(State.ARGUMENTS),
        **each(BETWEEN_ARGUMENTS, '<parameter name="', Transition(State.KEY)),
        **each(BETWEEN_ARGUMENTS, "</invoke>", Transition(State.CALLS)),
        (State.KEY, '">'): Transition(State.VALUE),
        (State.VALUE, "</parameter>"): Transition(
            State.ARGUMENTS, after_space("<parameter name=", "</invoke>", _CALLS_END, Lookahead.END)
        ),
        # Missing closing tags.
        **each(BETWEEN_ARGUMENTS, _CALLS_END, Transition(State.CALLS)),
        (State.VALUE, "</invoke>"): Transition(State.CALLS, after_space(_CALLS_END, Lookahead.END)),
    },
    initial_state=State.THINKING,
    stop_tokens=("[e~[",),
    leading_text={State.THINKING: "\n", State.REASONING: "\n", State.OPEN: "\n\n"},
    syntax=Syntax(),
)
FAMILY: Final = (_MINIMAX_M2,)
