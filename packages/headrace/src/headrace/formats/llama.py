r"""Llama 3.1 and later, with tools as JSON.

    output  content | ["<|python_tag|>"] call ("; " call)*
    call    {"name": …, "parameters": {…}}

There is no delimiter: the answer is a call if it begins like one.
Source: the chat template of meta-llama/Llama-3.1-8B-Instruct.
"""

from typing import Final

from headrace.formats.call_objects import ANY_CALL_OBJECT, PARAMETERS_CALL_OBJECT
from headrace.formats.format import ANY_TEXT, Format, State, Transition
from headrace.formats.transitions import IN_ANSWER, each

__all__ = ["LLAMA_3"]

LLAMA_3: Final = Format(
    name="llama-3",
    transitions={
        **each((State.START, State.OPEN), ANY_TEXT, Transition(State.CALL_OBJECT, PARAMETERS_CALL_OBJECT)),
        **each(IN_ANSWER, "<|python_tag|>", Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT)),
        (State.CALLS, ";"): Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT),
        (State.CALLS, ANY_TEXT): Transition(State.CALL_OBJECT, PARAMETERS_CALL_OBJECT),
    },
    stops=("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"),
)
