r"""Llama 3.1 and later, with tools as JSON.

    output  content | ["<|python_tag|>"] call ("; " call)*
    call    {"name": …, "parameters": {…}}

There is no delimiter: the answer is a call if it starts like one.
Source: the chat template of meta-llama/Llama-3.1-8B-Instruct.
"""

from typing import Final

from headrace.formats.format import ANY_TEXT, Fingerprint, Format, State, Transition
from headrace.formats.transitions import ANY_CALL_OBJECT, IN_ANSWER, PARAMETERS_CALL_OBJECT, each

__all__ = ["FAMILY"]

_LLAMA_3: Final = Format(
    name="llama-3",
    fingerprint=Fingerprint(template=("<|start_header_id|>",), model_name=r"llama-?3"),
    transitions={
        **each((State.START, State.OPEN), ANY_TEXT, Transition(State.CALL_OBJECT, PARAMETERS_CALL_OBJECT)),
        **each(IN_ANSWER, "<|python_tag|>", Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT)),
        (State.CALLS, ";"): Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT),
        (State.CALLS, ANY_TEXT): Transition(State.CALL_OBJECT, PARAMETERS_CALL_OBJECT),
    },
    stop_tokens=("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"),
)
FAMILY: Final = (_LLAMA_3,)
