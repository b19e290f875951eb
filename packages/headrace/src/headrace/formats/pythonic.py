r"""Calls in Python: Llama 4, Llama 3.2, Olmo 3, LFM2, MiniCPM 3.

    call      name "(" [argument ("," argument)*] ")"
    argument  key "=" literal

    Llama 4, Llama 3.2, ToolACE  "[" call (", " call)* "]"
    Olmo 3                       "<function_calls>\n" call ("\n" call)* "\n</function_calls>"
    LFM2                         "<|tool_call_start|>[" call (", " call)* "]<|tool_call_end|>"
    MiniCPM 3                    "<|tool_call_start|>\n```python\n" (call "\n")* "```\n<|tool_call_end|>"

Without tags, the answer is a call if it begins with a bracket and the name of a tool. Llama 4 may write the
brackets between `<|python_start|>` and `<|python_end|>`. Olmo 3 and LFM2.5 write their thinking as Qwen3
does.
Sources: Llama 4's prompt format at llama.com; vLLM's examples tool_chat_template_llama3.2_pythonic and
tool_chat_template_toolace, its parser `olmo3`; the chat templates of LiquidAI/LFM2.5-8B-A1B and
openbmb/MiniCPM3-4B.
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
from headrace.formats.transitions import IN_ANSWER, IN_THINKING, LINE_ENDS, THINK, after_space, each

__all__ = ["FAMILY"]

_KNOWN_CALL: Final[Condition] = ((Lookahead.SPACE, Lookahead.KNOWN_NAME, "("),)
_BARE_CALL: Final[Condition] = ((Lookahead.KNOWN_NAME, "(", Lookahead.KEY, "="),)
_ANY_CALL: Final[Condition] = ((Lookahead.SPACE, Lookahead.ANY_NAME, "("),)
_KNOWN: Final = Transition(State.BEFORE_NAME, _KNOWN_CALL)
_ANY: Final = Transition(State.BEFORE_NAME, _ANY_CALL)
_ANY_ON_NEXT_LINE: Final = replace(_ANY, otherwise=Transition(State.CALLS))
# Not within a string: it may contain what looks like a call.
_NEXT_CALL: Final = Transition(State.CALLS, ((Lookahead.OUTSIDE_STRING, *_KNOWN_CALL[0]),), partial=False)

_CALLS: Final[Transitions] = {
    (State.NAME, "("): Transition(State.KEYWORDS),
    **each((State.CALLS,), ",", _ANY),
    (State.CALLS, "]"): Transition(State.CALLS),
    # Missing and doubled brackets and commas.
    (State.CALLS, ANY_TEXT): Transition(State.NAME, ((Lookahead.KNOWN_NAME, "("),)),
    (State.CALLS, ")"): Transition(State.CALLS),
    (State.NAME, "(("): Transition(State.KEYWORDS),
    (State.KEYWORDS, ","): _NEXT_CALL,
    (State.KEYWORDS, "\n"): _NEXT_CALL,
}


def _syntax(begin: str, end: str, separator: str) -> Syntax:
    return Syntax(
        call="{name}({arguments})",
        calls=f"{begin}{{calls}}{end}",
        separator=separator,
        argument="{key}={value}",
        argument_separator=", ",
        key_pattern=r"\w{1,64}",
    )


def _between(begin: str, end: str) -> Transitions:
    """Return the transitions of calls between two tags."""
    return {
        **_CALLS,
        **each(IN_THINKING, begin, _KNOWN),
        **each(IN_ANSWER, begin, _ANY),
        (State.CALLS, begin): replace(
            _ANY, otherwise=Transition(State.CALLS, after_space(end, Lookahead.END))
        ),
        **each(IN_ANSWER, begin + begin, _KNOWN),
        (State.CONTENT, f"\n{begin}"): _ANY,
        (State.CALLS, end): Transition(State.CALLS),
        # Without the first tag, or after the last one.
        **each((State.START, State.OPEN), ANY_TEXT, Transition(State.NAME, _BARE_CALL)),
        **each((State.START, State.OPEN), end, Transition(State.BEFORE_NAME, _KNOWN_CALL, partial=False)),
        # Broken arguments.
        (State.KEYWORDS, end): Transition(State.CALLS, ((Lookahead.OUTSIDE_STRING,),)),
    }


_LLAMA_4: Final = Format(
    name="llama-4",
    model_names=r"llama-?4",
    signs=("<|header_start|>",),
    transitions={
        **_between("<|python_start|>[", "<|python_end|>"),
        **each((State.START, State.OPEN), ANY_TEXT, Transition(State.CALLS, (("[", *_KNOWN_CALL[0]),))),
        (State.CALLS, "["): _ANY,
    },
    stop_tokens=("<|eot|>", "<|eom|>", "<|end_of_text|>"),
    syntax=_syntax("[", "]", ", "),
)
_LLAMA_3_2: Final = replace(
    _LLAMA_4,
    name="llama-3.2-pythonic",
    aliases=("toolace",),
    model_names="toolace|llama-?3.*pythonic",
    signs=(),
    stop_tokens=("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"),
)
_OLMO_3: Final = Format(
    name="olmo-3",
    model_names=r"olmo-?3",
    thinking_tags=THINK,
    transitions={
        (State.REASONING, "\n</think>"): Transition(State.OPEN),
        **_between("<function_calls>", "</function_calls>"),
        (State.CALLS, "\n"): _ANY_ON_NEXT_LINE,
    },
    stop_tokens=("<|im_end|>", "<|endoftext|>"),
    leading_text=LINE_ENDS,
    syntax=_syntax("<function_calls>\n", "\n</function_calls>", "\n"),
)
_LFM2: Final = replace(
    _OLMO_3,
    name="lfm2",
    model_names=r"lfm-?2",
    signs=("<|tool_list_start|>",),
    transitions={
        (State.REASONING, "\n</think>"): Transition(State.OPEN),
        **_between("<|tool_call_start|>[", "<|tool_call_end|>"),
    },
    syntax=_syntax("<|tool_call_start|>[", "]<|tool_call_end|>", ", "),
)
_MINICPM_3: Final = replace(
    _OLMO_3,
    name="minicpm-3",
    model_names=r"minicpm-?3",
    thinking_tags=None,
    syntax=_syntax("<|tool_call_start|>\n```python\n", "\n```\n<|tool_call_end|>", "\n"),
    transitions={
        **_between("<|tool_call_start|>\n```python", "<|tool_call_end|>"),
        (State.CALLS, "\n"): _ANY_ON_NEXT_LINE,
        (State.CALLS, "```"): Transition(State.CALLS),
        **each((State.START, State.OPEN), "```", Transition(State.BEFORE_NAME, _KNOWN_CALL, partial=False)),
    },
)
FAMILY: Final = (_LLAMA_4, _LLAMA_3_2, _OLMO_3, _LFM2, _MINICPM_3)
