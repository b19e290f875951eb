"""gpt-oss: the harmony format.

    output   message ("<|start|>assistant" message)*
    message  "<|channel|>" header "<|message|>" text ("<|end|>" | "<|call|>" | "<|return|>")

    analysis in the header                thinking
    final or commentary                   the answer
    "to=functions." name                  a call: the text is its arguments as JSON

The recipient stands before or after the channel. Source: openai/harmony, docs/format.md.
"""

from typing import Final

from headrace.formats.format import Condition, Format, Lookahead, State, Transition
from headrace.formats.transitions import after_space, each

__all__ = ["FAMILY"]

_BETWEEN_MESSAGES: Final = (State.START, State.OPEN, State.CALLS)
_TEXTS: Final = (State.REASONING, State.CONTENT)
_HEADERS: Final = (State.HEADER, State.THINKING_HEADER)
_CHANNEL: Final[Condition] = (
    *after_space("analysis", "commentary", "final"),
    (Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, "<|message|>"),
    (Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, "to="),
)
_NEXT: Final[Condition] = after_space("<|start|>", "<|channel|>", Lookahead.END)
_RECIPIENT: Final[Condition] = tuple(
    (Lookahead.KNOWN_NAME, Lookahead.SPACE, item) for item in ("<|channel|>", "<|constrain|>", "<|message|>")
)
# A message whose end is missing: within a text, the header must be complete.
_CHANNEL_IN_TEXT: Final[Condition] = tuple(
    (Lookahead.SPACE, channel, Lookahead.SPACE, item)
    for channel in ("analysis", "commentary", "final")
    for item in ("<|message|>", "to=")
)
_START_IN_TEXT: Final[Condition] = tuple(
    (Lookahead.SPACE, "assistant", Lookahead.SPACE, item) for item in ("<|channel|>", "to=")
)

_GPT_OSS: Final = Format(
    name="gpt-oss",
    model_names=r"gpt-?oss",
    transitions={
        **each(_BETWEEN_MESSAGES, "<|start|>", Transition(State.HEADER, after_space("assistant"))),
        **each(_BETWEEN_MESSAGES, "<|channel|>", Transition(State.HEADER, _CHANNEL)),
        (State.HEADER, "analysis"): Transition(State.THINKING_HEADER),
        **each(_HEADERS, "to=functions.", Transition(State.NAME, ((Lookahead.ANY_NAME,),))),
        (State.HEADER, "<|message|>"): Transition(State.CONTENT),
        **each(_HEADERS, "<|end|>", Transition(State.OPEN)),
        (State.THINKING_HEADER, "<|message|>"): Transition(State.REASONING),
        **each(_TEXTS, "<|end|>", Transition(State.OPEN, _NEXT)),
        (State.NAME, " "): Transition(State.CALL_HEADER),
        (State.NAME, "<|channel|>"): Transition(State.CALL_HEADER),
        (State.NAME, "<|constrain|>"): Transition(State.CALL_HEADER),
        **each((State.NAME, State.CALL_HEADER), "<|message|>", Transition(State.BEFORE_BODY)),
        **each((State.CALLS, State.BEFORE_BODY), "<|end|>", Transition(State.CALLS)),
        (State.CALLS, "<|call|>"): Transition(State.CALLS),
        # What the model writes instead: no `<|start|>assistant` before the first recipient, a recipient
        # without namespace, no `<|message|>` before JSON, no `<|end|>` after the thinking.
        **each(_BETWEEN_MESSAGES, "<|start|><|start|>", Transition(State.HEADER, after_space("assistant"))),
        **each(_BETWEEN_MESSAGES, "<|channel|><|channel|>", Transition(State.HEADER, _CHANNEL)),
        **each(_BETWEEN_MESSAGES, "assistant", Transition(State.HEADER, after_space("<|channel|>", "to="))),
        **each(_BETWEEN_MESSAGES, "to=functions.", Transition(State.NAME, _RECIPIENT)),
        **each(_BETWEEN_MESSAGES, "to=", Transition(State.NAME, _RECIPIENT)),
        **each(_HEADERS, "to=", Transition(State.NAME, ((Lookahead.KNOWN_NAME,),))),
        **each((State.NAME, State.CALL_HEADER), "{", Transition(State.BODY, consume=False)),
        **each((State.NAME, State.CALL_HEADER), "<|end|>", Transition(State.BEFORE_BODY)),
        (State.BEFORE_BODY, "<|message|>"): Transition(State.BEFORE_BODY),
        **each((State.CALL_HEADER, State.BEFORE_BODY), "<|start|>", Transition(State.CALLS, consume=False)),
        (State.HEADER, "final "): Transition(State.CONTENT, (("{",), ("[",))),
        (State.REASONING, "<|channel|>"): Transition(State.OPEN, _CHANNEL_IN_TEXT, consume=False),
        **each(_TEXTS, "<|start|>", Transition(State.OPEN, _START_IN_TEXT, consume=False)),
        # Broken JSON.
        (State.BODY, "<|end|>"): Transition(State.CALLS, ((Lookahead.OUTSIDE_STRING,), *_NEXT)),
    },
    stop_tokens=("<|return|>", "<|call|>"),
)
FAMILY: Final = (_GPT_OSS,)
