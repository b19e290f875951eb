r"""Calls as JSON objects between tags: EXAONE, Reka, ERNIE, Hunyuan, MiniMax M1, Nemotron, Apriel, InternLM.

    block     BLOCK objects BLOCK_END
    objects   object (object | "," object)*, or an array of objects
    object    {"name": …, "arguments": {…}}

    EXAONE 4.0, Reka Edge  "<tool_call>" object "</tool_call>", a block for each call
    ERNIE 4.5 Thinking     the same; the answer is "<response>\n" content "\n</response>\n"
    Hunyuan A13B           "<tool_calls>" array "</tool_calls>"; the answer is "<answer>\n" … "\n</answer>"
    MiniMax M1             "<tool_calls>\n" (object "\n")* "</tool_calls>"
    Apriel                 "<tool_calls>" array "</tool_calls>"; thinking "[BEGIN FINAL RESPONSE]" answer
    Nemotron Nano 2        "<TOOLCALL>" array "</TOOLCALL>"
    InternLM, Intern-S1    "<|action_start|><|plugin|>\n" object "<|action_end|>", with "parameters"

Qwen3 and Hermes write the same blocks. The thinking and the answer are separated as in Qwen3.
Sources: the chat templates of LGAI-EXAONE/EXAONE-4.0-32B, RekaAI/reka-edge, MiniMaxAI/MiniMax-M1-80k,
ServiceNow-AI/Apriel-1.6-15b-Thinker and nvidia/NVIDIA-Nemotron-Nano-9B-v2; vLLM's parser `ernie45`;
Hunyuan-A13B's agent/README.md; SGLang's parser `interns1`.
"""

from typing import Final

from msgspec.structs import replace

from headrace.formats.format import (
    ANY_TEXT,
    Condition,
    Format,
    Lookahead,
    State,
    Syntax,
    Transition,
    Transitions,
)
from headrace.formats.transitions import (
    AFTER_BRACE,
    ANY_CALL_OBJECT,
    BARE_CALL_OBJECT,
    IN_ANSWER,
    IN_THINKING,
    KNOWN_CALL_OBJECT,
    LINE_ENDS,
    THINK,
    after_space,
    answer_between,
    each,
    in_array,
    space_before_stop,
)

__all__ = ["FAMILY", "call_array_syntax", "call_object_syntax", "call_object_transitions"]


def call_object_transitions(begin: str, end: str, *, bare: Condition = BARE_CALL_OBJECT) -> Transitions:
    """Return the transitions of calls, in the thinking and in the answer.

    Args:
        begin: the tag before a block; a line end before it is markup.
        end: the tag after a block.
        bare: how an answer begins that is a block without its first tag.
    """
    known, any_name = (
        Transition(State.BEFORE_CALL_OBJECT, (*condition, *in_array(condition)))
        for condition in (KNOWN_CALL_OBJECT, ANY_CALL_OBJECT)
    )
    return {
        **each(IN_THINKING, begin, known),
        **{(state, tag): any_name for state in IN_ANSWER for tag in (begin, begin + begin)},
        **{(State.CONTENT, f"\n{tag}"): any_name for tag in (begin, begin + begin)},
        (State.CALLS, begin): replace(any_name, otherwise=Transition(State.CALLS)),
        (State.CALLS, end): Transition(State.CALLS),
        (State.BEFORE_CALL_OBJECT, "["): Transition(State.BEFORE_CALL_OBJECT),
        (State.CALLS, ","): any_name,
        (State.CALLS, "]"): Transition(State.CALLS, after_space(begin, end, Lookahead.END)),
        (State.CALLS, "{"): Transition(State.CALL_OBJECT, AFTER_BRACE, consume=False),
        # Broken JSON, or an extra brace.
        (State.CALL_OBJECT, end): Transition(
            State.CALLS, ((Lookahead.OUTSIDE_STRING,), *after_space(begin, Lookahead.END))
        ),
        (State.CALLS, "}"): Transition(State.CALLS, after_space(end)),
        # A tag is missing, or swapped with the next one.
        **each((State.START, State.OPEN), ANY_TEXT, Transition(State.BEFORE_CALL_OBJECT, bare)),
        **each((State.START, State.OPEN, State.CONTENT), end, replace(known, partial=False)),
    }


def call_object_syntax(begin: str = "", end: str = "", *, arguments: str = "arguments") -> Syntax:
    """Return the syntax of calls as JSON objects, each between two texts."""
    return Syntax(call=f'{begin}{{"name": "{{name}}", "{arguments}": {{arguments}}}}{end}', separator="\n")


def call_array_syntax(begin: str, end: str) -> Syntax:
    """Return the syntax of calls as an array of JSON objects between two texts."""
    return replace(call_object_syntax(), calls=f"{begin}[{{calls}}]{end}", separator=", ")


_THINKING_ENDS: Final[Transitions] = {(State.REASONING, "\n</think>"): Transition(State.OPEN)}
_TOOL_CALL: Final = ("<tool_call>", "</tool_call>")
_TOOL_CALLS: Final = ("<tool_calls>", "</tool_calls>")
_ARRAY: Final = in_array(BARE_CALL_OBJECT)

_EXAONE_4: Final = Format(
    name="exaone-4",
    model_names=r"exaone-?4",
    signs=("[|endofturn|]",),
    thinking_tags=THINK,
    transitions={**_THINKING_ENDS, **call_object_transitions(*_TOOL_CALL)},
    initial_state=State.THINKING,
    stop_tokens=("[|endofturn|]",),
    leading_text=LINE_ENDS,
    syntax=call_object_syntax(*_TOOL_CALL),
)
_REKA: Final = replace(
    _EXAONE_4,
    name="reka",
    model_names=r"reka",
    signs=("<sep>human: ",),
    transitions={**_EXAONE_4.transitions, **space_before_stop("\n\n", "<sep>")},
    stop_tokens=("<sep>",),
)
_ERNIE_4_5: Final = replace(
    _EXAONE_4,
    name="ernie-4.5",
    model_names=r"ernie-?4\.5",
    transitions={
        **_EXAONE_4.transitions,
        **answer_between("<response>", "</response>", "<tool_call>"),
    },
    stop_tokens=("<|im_end|>", "</s>"),
)
_HUNYUAN_A13B: Final = replace(
    _EXAONE_4,
    name="hunyuan-a13b",
    model_names=r"hunyuan",
    transitions={
        **_THINKING_ENDS,
        **call_object_transitions(*_TOOL_CALLS, bare=_ARRAY),
        **answer_between("<answer>", "</answer>", "<tool_calls>"),
        # With tools, an answer begins with the name of its role.
        **each((State.START, State.OPEN), "助手：", Transition(State.CONTENT)),
    },
    initial_state=State.START,
    stop_tokens=("<|eos|>",),
    syntax=call_array_syntax(*_TOOL_CALLS),
)
_MINIMAX_M1: Final = replace(
    _HUNYUAN_A13B,
    name="minimax-m1",
    model_names=r"minimax-?m1",
    signs=("<beginning_of_sentence>",),
    transitions={**_THINKING_ENDS, **call_object_transitions(*_TOOL_CALLS)},
    stop_tokens=("<end_of_sentence>",),
    syntax=replace(call_object_syntax(), calls="<tool_calls>\n{calls}\n</tool_calls>"),
)
_APRIEL: Final = replace(
    _HUNYUAN_A13B,
    name="apriel",
    model_names=r"apriel",
    signs=("[BEGIN FINAL RESPONSE]",),
    thinking_tags=("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),
    transitions={
        (State.REASONING, "\n[BEGIN FINAL RESPONSE]"): Transition(State.OPEN),
        **call_object_transitions(*_TOOL_CALLS, bare=_ARRAY),
        **answer_between("[BEGIN FINAL RESPONSE]", "[END FINAL RESPONSE]", "<tool_calls>"),
        **space_before_stop("\n", "<|end|>"),
    },
    initial_state=State.THINKING,
    always_thinks=True,
    stop_tokens=("<|end|>",),
)
_NEMOTRON_NANO_2: Final = replace(
    _EXAONE_4,
    name="nemotron-nano-2",
    model_names=r"nemotron-(nano-2|nano.*v2|super.*v1)",
    transitions={
        **_THINKING_ENDS,
        **call_object_transitions("<TOOLCALL>", "</TOOLCALL>", bare=_ARRAY),
        **space_before_stop("\n", "<SPECIAL_12>"),
    },
    stop_tokens=("<SPECIAL_12>", "<|eot_id|>"),
    syntax=call_array_syntax("<TOOLCALL>", "</TOOLCALL>"),
)
_INTERNLM: Final = replace(
    _EXAONE_4,
    name="internlm",
    aliases=("intern-s1",),
    model_names=r"internlm|intern-?s1",
    transitions={
        **_THINKING_ENDS,
        **call_object_transitions("<|action_start|> <|plugin|>", "<|action_end|>"),
        **call_object_transitions("<|action_start|><|plugin|>", "<|action_end|>"),
    },
    initial_state=State.START,
    stop_tokens=("<|im_end|>",),
    syntax=call_object_syntax("<|action_start|><|plugin|>\n", "\n<|action_end|>", arguments="parameters"),
)
FAMILY: Final = (
    _EXAONE_4,
    _REKA,
    _ERNIE_4_5,
    _APRIEL,
    _MINIMAX_M1,
    _HUNYUAN_A13B,
    _NEMOTRON_NANO_2,
    _INTERNLM,
)
