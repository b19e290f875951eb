r"""Calls as JSON objects without a closing tag: Llama 3 and 4, Phi-4-mini, xLAM, Hammer, Granite 3.

    Llama 3.1 and later        ["<|python_tag|>"] object ("; " object)*
    Llama 4                    the same, with vLLM's template for JSON
    Phi-4-mini                 "functools[" object ("," object)* "]"
    xLAM                       "[" object ("," object)* "]"
    Hammer 2.1                 "```\n[" object ("," object)* "]\n```"
    Granite 3                  "<|tool_call|>[" object ("," object)* "]"
    Granite 20B                ("<function_call> " object)*
    object                     {"name": …, "parameters": {…}}; "arguments" from Phi-4-mini on

If nothing precedes the first object, an answer that begins like a call is a call. If Granite 3.3 thinks, it
writes "<think>" reasoning "</think><response>" content "</response>".
Sources: the chat templates of meta-llama/Llama-3.1-8B-Instruct and MadeAgents/Hammer2.1-7b; vLLM's examples
tool_chat_template_llama4_json, tool_chat_template_phi4_mini, tool_chat_template_granite and
tool_chat_template_granite_20b_fc, and its parsers `xlam` and `granite`.
"""

from typing import Final

from msgspec.structs import replace

from headrace.formats.call_objects import call_array_syntax, call_object_syntax
from headrace.formats.format import ANY_TEXT, Format, Lookahead, State, Transition, Transitions
from headrace.formats.transitions import (
    ANY_CALL_OBJECT,
    IN_ANSWER,
    KNOWN_CALL_OBJECT,
    LINE_ENDS,
    PARAMETERS_CALL_OBJECT,
    THINK,
    after_space,
    each,
    in_array,
)

__all__ = ["FAMILY"]

_BEFORE_CALLS: Final = (State.START, State.OPEN)
_KNOWN: Final = Transition(State.BEFORE_CALL_OBJECT, KNOWN_CALL_OBJECT)
_ANY: Final = Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT)

_LLAMA_3: Final = Format(
    name="llama-3",
    model_names=r"llama-?3(?!.*pythonic)",
    signs=("<|start_header_id|>",),
    transitions={
        **each(_BEFORE_CALLS, ANY_TEXT, Transition(State.CALL_OBJECT, PARAMETERS_CALL_OBJECT)),
        **each(IN_ANSWER, "<|python_tag|>", _ANY),
        (State.CALLS, ";"): _ANY,
        (State.CALLS, ANY_TEXT): Transition(State.CALL_OBJECT, PARAMETERS_CALL_OBJECT),
    },
    stop_tokens=("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"),
    syntax=replace(call_object_syntax(arguments="parameters"), separator="; "),
)
_LLAMA_4: Final = replace(
    _LLAMA_3,
    name="llama-4-json",
    model_names="llama-?4.*json",
    signs=(),
    stop_tokens=("<|eot|>", "<|eom|>", "<|end_of_text|>"),
)


_ARRAY: Final[Transitions] = {
    **each(_BEFORE_CALLS, ANY_TEXT, Transition(State.CALLS, in_array(KNOWN_CALL_OBJECT))),
    (State.CALLS, "["): _KNOWN,
    (State.CALLS, ","): _ANY,
    (State.CALLS, "]"): Transition(State.CALLS),
    (State.CALLS, ANY_TEXT): Transition(State.CALL_OBJECT, KNOWN_CALL_OBJECT),
}
_XLAM: Final = Format(
    name="xlam",
    model_names="xlam",
    thinking_tags=THINK,
    transitions={(State.REASONING, "\n</think>"): Transition(State.OPEN), **_ARRAY},
    stop_tokens=("<|im_end|>", "<|eot_id|>", "<|EOT|>"),
    syntax=call_array_syntax("", ""),
    leading_text=LINE_ENDS,
)
_HAMMER: Final = replace(
    _XLAM,
    name="hammer-2.1",
    model_names="hammer",
    thinking_tags=None,
    transitions={
        **_ARRAY,
        **{
            (state, fence): Transition(State.CALLS, in_array(KNOWN_CALL_OBJECT))
            for state in (*_BEFORE_CALLS, State.CONTENT)
            for fence in ("```", "```json", "``````")
        },
        (State.CALLS, "```"): Transition(State.CALLS, after_space("```", Lookahead.END)),
    },
    stop_tokens=("<|im_end|>",),
    syntax=call_array_syntax("```\n", "\n```"),
    leading_text={},
)
_PHI_4_MINI: Final = replace(
    _HAMMER,
    name="phi-4-mini",
    model_names=r"phi-?4-mini",
    transitions={
        **_ARRAY,
        **each(IN_ANSWER, "functools[", _ANY),
        **each(IN_ANSWER, "functools[functools[", _KNOWN),
        (State.CONTENT, "\nfunctools["): _ANY,
        # The template leaves the marker out of earlier answers.
        **each(_BEFORE_CALLS, ANY_TEXT, Transition(State.CALL_OBJECT, KNOWN_CALL_OBJECT)),
    },
    stop_tokens=("<|end|>", "<|endoftext|>"),
    syntax=call_array_syntax("functools", ""),
)
_GRANITE_3: Final = replace(
    _XLAM,
    name="granite-3",
    model_names=r"granite-?3",
    signs=("<|start_of_role|>",),
    transitions={
        **_XLAM.transitions,
        **{
            (state, tag): Transition(State.CALLS, in_array(ANY_CALL_OBJECT))
            for state in IN_ANSWER
            for tag in ("<|tool_call|>", "<tool_call>", "<|tool_call|><|tool_call|>")
        },
        **each(_BEFORE_CALLS, "<response>", Transition(State.CONTENT)),
        (State.CONTENT, "</response>"): Transition(State.CONTENT, after_space(Lookahead.END)),
    },
    stop_tokens=("<|end_of_text|>",),
    syntax=call_array_syntax("<|tool_call|>", ""),
)
_GRANITE_20B: Final = replace(
    _HAMMER,
    name="granite-20b",
    model_names=r"granite-20b",
    transitions={
        **each(IN_ANSWER, "<function_call>", _ANY),
        **each(IN_ANSWER, "<function_call><function_call>", _KNOWN),
        (State.CONTENT, "\n<function_call><function_call>"): _KNOWN,
        (State.CONTENT, "\n<function_call>"): _ANY,
        (State.CALLS, ANY_TEXT): Transition(State.CALL_OBJECT, KNOWN_CALL_OBJECT),
    },
    stop_tokens=("<|endoftext|>",),
    syntax=call_object_syntax("<function_call> "),
)
FAMILY: Final = (_LLAMA_4, _LLAMA_3, _GRANITE_3, _GRANITE_20B, _PHI_4_MINI, _HAMMER, _XLAM)
