"""gpt-oss: the harmony format.

    output   message ("<|start|>assistant" message)*
    message  "<|channel|>" header "<|message|>" text ("<|end|>" | "<|call|>" | "<|return|>")

    analysis in the header                thinking
    final or commentary                   the answer
    "to=functions." name                  a call: the text is its arguments as JSON

The recipient stands before or after the channel. Source: openai/harmony, docs/format.md.
"""

from typing import Final

from headrace.formats.format import Condition, Fingerprint, Format, Lookahead, State, Transition
from headrace.formats.transitions import after_space, each

__all__ = ["FAMILY"]

_BETWEEN_MESSAGES: Final = (State.START, State.OPEN, State.CALLS)
_HEADERS: Final = (State.HEADER, State.THINKING_HEADER)
_CHANNEL: Final[Condition] = (
    *after_space("analysis", "commentary", "final"),
    (Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, "<|message|>"),
)
_NEXT: Final[Condition] = after_space("<|start|>", "<|channel|>", Lookahead.END)

_GPT_OSS: Final = Format(
    name="gpt-oss",
    fingerprint=Fingerprint(template=("<|channel|>",), model_name=r"gpt-?oss"),
    transitions={
        **each(_BETWEEN_MESSAGES, "<|start|>", Transition(State.HEADER, after_space("assistant"))),
        **each(_BETWEEN_MESSAGES, "<|channel|>", Transition(State.HEADER, _CHANNEL)),
        (State.HEADER, "analysis"): Transition(State.THINKING_HEADER),
        **each(_HEADERS, "to=functions.", Transition(State.NAME, ((Lookahead.ANY_NAME,),))),
        (State.HEADER, "<|message|>"): Transition(State.CONTENT),
        (State.THINKING_HEADER, "<|message|>"): Transition(State.REASONING),
        **each((State.REASONING, State.CONTENT), "<|end|>", Transition(State.OPEN, _NEXT)),
        (State.NAME, " "): Transition(State.CALL_HEADER),
        (State.NAME, "<|channel|>"): Transition(State.CALL_HEADER),
        (State.NAME, "<|constrain|>"): Transition(State.CALL_HEADER),
        **each((State.NAME, State.CALL_HEADER), "<|message|>", Transition(State.BEFORE_BODY)),
        **each((State.CALLS, State.BEFORE_BODY), "<|end|>", Transition(State.CALLS)),
        (State.CALLS, "<|call|>"): Transition(State.CALLS),
        # Broken JSON.
        (State.BODY, "<|end|>"): Transition(State.CALLS, ((Lookahead.OUTSIDE_STRING,), *_NEXT)),
    },
    stop_tokens=("<|return|>", "<|call|>"),
)
FAMILY: Final = (_GPT_OSS,)
