r"""Mistral, from Nemo on.

    output  ["[THINK]" reasoning "[/THINK]"] content calls*
    calls   "[TOOL_CALLS][" {"name": …, "arguments": {…}, "id": …} ("," …)* "]"        Nemo
          | "[TOOL_CALLS]" name ["[CALL_ID]" id] "[ARGS]" {…}                          Small 3.2, Devstral

Source: mistralai/mistral-common, tokens/tokenizers/instruct.py, versions 3, 11 and 13.
"""

from typing import Final

from headrace.formats.envelopes import ANY_ENVELOPE
from headrace.formats.format import Format, Guard, Look, Mode, Step
from headrace.formats.rows import IN_ANSWER, each

__all__ = ["MISTRAL"]

# Some engines leave `[ARGS]` out of the text.
_NAME: Final[Guard] = tuple(
    (Look.SPACE, Look.ANY_NAME, Look.SPACE, then) for then in ("[ARGS]", "[CALL_ID]", "{")
)

MISTRAL: Final = Format(
    name="mistral",
    steps={
        (Mode.START, "[THINK]"): Step(Mode.REASONING),
        (Mode.REASONING, "[/THINK]"): Step(Mode.OPEN),
        **each(IN_ANSWER, "[TOOL_CALLS]", Step(Mode.BEFORE_NAME, _NAME)),
        **each(IN_ANSWER, "[TOOL_CALLS][", Step(Mode.BEFORE_ENVELOPE, ANY_ENVELOPE)),
        **each(IN_ANSWER, "[TOOL_CALLS] [", Step(Mode.BEFORE_ENVELOPE, ANY_ENVELOPE)),
        (Mode.CALLS, ","): Step(Mode.BEFORE_ENVELOPE, ANY_ENVELOPE),
        (Mode.CALLS, "]"): Step(Mode.CALLS),
        (Mode.NAME, "[CALL_ID]"): Step(Mode.CALL_ID),
        (Mode.NAME, "[ARGS]"): Step(Mode.BEFORE_BODY),
        (Mode.NAME, "{"): Step(Mode.BODY, keep=True),
        (Mode.CALL_ID, "[ARGS]"): Step(Mode.BEFORE_BODY),
        # The JSON is broken.
        (Mode.BODY, "[TOOL_CALLS]"): Step(Mode.CALLS, ((Look.NO_STRING,),), keep=True),
    },
    stops=("</s>",),
)
