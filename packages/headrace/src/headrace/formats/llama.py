r"""Llama 3.1 and later, with tools as JSON.

    output  content | ["<|python_tag|>"] call ("; " call)*
    call    {"name": …, "parameters": {…}}

There is no marker: the answer is a call if it begins like one.
Source: the chat template of meta-llama/Llama-3.1-8B-Instruct.
"""

from typing import Final

from headrace.formats.envelopes import ANY_ENVELOPE, PARAMETERS_ENVELOPE
from headrace.formats.format import ANY_TEXT, Format, Mode, Step
from headrace.formats.rows import IN_ANSWER, each

__all__ = ["LLAMA_3"]

LLAMA_3: Final = Format(
    name="llama-3",
    steps={
        **each((Mode.START, Mode.OPEN), ANY_TEXT, Step(Mode.ENVELOPE, PARAMETERS_ENVELOPE)),
        **each(IN_ANSWER, "<|python_tag|>", Step(Mode.BEFORE_ENVELOPE, ANY_ENVELOPE)),
        (Mode.CALLS, ";"): Step(Mode.BEFORE_ENVELOPE, ANY_ENVELOPE),
        (Mode.CALLS, ANY_TEXT): Step(Mode.ENVELOPE, PARAMETERS_ENVELOPE),
    },
    stops=("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"),
)
