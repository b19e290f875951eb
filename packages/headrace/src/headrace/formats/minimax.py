r"""MiniMax M2.

    output    reasoning "\n</think>\n\n" content ("\n"? calls)?     the prompt wrote `<think>\n`
    calls     "<minimax:tool_call>\n" call* "</minimax:tool_call>"
    call      '<invoke name="' name '">\n' argument* "</invoke>\n"
    argument  '<parameter name="' key '">' value "</parameter>\n"

Source: the chat template of MiniMaxAI/MiniMax-M2.
"""

from typing import Final

from headrace.formats.format import Condition, Format, Lookahead, State, Transition
from headrace.formats.transitions import BETWEEN_ARGUMENTS, IN_ANSWER, IN_THINKING, THINK, after_space, each

__all__ = ["MINIMAX_M2"]

_KNOWN_CALL: Final[Condition] = ((Lookahead.SPACE, '<invoke name="', Lookahead.KNOWN_NAME, '"'),)
_CALLS: Final[Condition] = (
    (Lookahead.SPACE, '<invoke name="', Lookahead.ANY_NAME, '"'),
    (Lookahead.SPACE, "</minimax:tool_call>"),
)

MINIMAX_M2: Final = Format(
    name="minimax-m2",
    transitions={
        **THINK,
        (State.REASONING, "\n</think>"): Transition(State.OPEN),
        **each(IN_THINKING, "<minimax:tool_call>", Transition(State.CALLS, _KNOWN_CALL)),
        **each(IN_ANSWER, "<minimax:tool_call>", Transition(State.CALLS, _CALLS)),
        (State.CONTENT, "\n<minimax:tool_call>"): Transition(State.CALLS, _CALLS),
        (State.CALLS, "</minimax:tool_call>"): Transition(State.CALLS),
        (State.CALLS, '<invoke name="'): Transition(State.NAME, ((Lookahead.ANY_NAME, '"'),)),
        (State.NAME, '">'): Transition(State.ARGUMENTS),
        **each(BETWEEN_ARGUMENTS, '<parameter name="', Transition(State.KEY)),
        **each(BETWEEN_ARGUMENTS, "</invoke>", Transition(State.CALLS)),
        (State.KEY, '">'): Transition(State.VALUE),
        (State.VALUE, "</parameter>"): Transition(
            State.ARGUMENTS,
            after_space("<parameter name=", "</invoke>", "</minimax:tool_call>", Lookahead.END),
        ),
        # A closing tag is missing.
        **each(BETWEEN_ARGUMENTS, "</minimax:tool_call>", Transition(State.CALLS)),
        (State.VALUE, "</invoke>"): Transition(
            State.CALLS, after_space("</minimax:tool_call>", Lookahead.END)
        ),
    },
    initial_state=State.THINKING,
    stops=("[e~[",),
    leads={State.THINKING: "\n", State.REASONING: "\n", State.OPEN: "\n\n"},
)
