r"""MiniMax M2.

    output    reasoning "\n</think>\n\n" content ("\n"? calls)?     the prompt wrote `<think>\n`
    calls     "<minimax:tool_call>\n" call* "</minimax:tool_call>"
    call      '<invoke name="' name '">\n' argument* "</invoke>\n"
    argument  '<parameter name="' key '">' value "</parameter>\n"

Source: the chat template of MiniMaxAI/MiniMax-M2.
"""

from typing import Final

from headrace.formats.format import Format, Guard, Look, Mode, Step
from headrace.formats.rows import BETWEEN_ARGUMENTS, IN_ANSWER, IN_THINKING, THINK, after_space, each

__all__ = ["MINIMAX_M2"]

_KNOWN_CALL: Final[Guard] = ((Look.SPACE, '<invoke name="', Look.KNOWN_NAME, '"'),)
_CALLS: Final[Guard] = (
    (Look.SPACE, '<invoke name="', Look.ANY_NAME, '"'),
    (Look.SPACE, "</minimax:tool_call>"),
)

MINIMAX_M2: Final = Format(
    name="minimax-m2",
    steps={
        **THINK,
        (Mode.REASONING, "\n</think>"): Step(Mode.OPEN),
        **each(IN_THINKING, "<minimax:tool_call>", Step(Mode.CALLS, _KNOWN_CALL)),
        **each(IN_ANSWER, "<minimax:tool_call>", Step(Mode.CALLS, _CALLS)),
        (Mode.CONTENT, "\n<minimax:tool_call>"): Step(Mode.CALLS, _CALLS),
        (Mode.CALLS, "</minimax:tool_call>"): Step(Mode.CALLS),
        (Mode.CALLS, '<invoke name="'): Step(Mode.NAME, ((Look.ANY_NAME, '"'),)),
        (Mode.NAME, '">'): Step(Mode.ARGUMENTS),
        **each(BETWEEN_ARGUMENTS, '<parameter name="', Step(Mode.KEY)),
        **each(BETWEEN_ARGUMENTS, "</invoke>", Step(Mode.CALLS)),
        (Mode.KEY, '">'): Step(Mode.VALUE),
        (Mode.VALUE, "</parameter>"): Step(
            Mode.ARGUMENTS,
            after_space("<parameter name=", "</invoke>", "</minimax:tool_call>", Look.END),
        ),
        # A closing tag is missing.
        **each(BETWEEN_ARGUMENTS, "</minimax:tool_call>", Step(Mode.CALLS)),
        (Mode.VALUE, "</invoke>"): Step(Mode.CALLS, after_space("</minimax:tool_call>", Look.END)),
    },
    thinking_starts=Mode.THINKING,
    stops=("[e~[",),
    leads={Mode.THINKING: "\n", Mode.REASONING: "\n", Mode.OPEN: "\n\n"},
)
