"""gpt-oss: the harmony format.

    output   message ("<|start|>assistant" message)*
    message  "<|channel|>" header "<|message|>" text ("<|end|>" | "<|call|>" | "<|return|>")

    analysis in the header                thinking
    final or commentary                   the answer
    "to=functions." name                  a call: the text is its arguments as JSON

The recipient stands before or after the channel. Source: openai/harmony, docs/format.md.
"""

from typing import Final

from headrace.formats.format import Condition, Format, Lookahead, State, Syntax, Transition, Transitions
from headrace.formats.transitions import after_space, each, first_of

__all__ = ["FAMILY"]

_BETWEEN_MESSAGES: Final = (State.START, State.OPEN, State.CALLS)
_TEXTS: Final = (State.REASONING, State.CONTENT)
_HEADERS: Final = (State.HEADER, State.THINKING_HEADER)
_BEFORE_MESSAGE: Final = (State.NAME, State.CALL_HEADER)
_CHANNEL: Final[Condition] = (
    *after_space("analysis", "commentary", "final"),
    (Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, "to="),
)
_START: Final[Condition] = after_space("assistant")
_NEXT: Final[Condition] = (
    *after_space("<|start|>", "<|channel|>", "<|end|>", Lookahead.END),
    (Lookahead.SPACE, "assistant", Lookahead.SPACE, "<|"),
)
_RECIPIENT: Final[Condition] = tuple(
    (Lookahead.KNOWN_NAME, Lookahead.WORDS, item) for item in ("<|channel|>", "<|constrain|>", "<|message|>")
)
# A message whose end is missing: within a text, the header must be complete.
_CHANNEL_IN_TEXT: Final[Condition] = tuple(
    (Lookahead.SPACE, channel, Lookahead.SPACE, item)
    for channel in ("analysis", "commentary", "final")
    for item in ("<|message|>", "to=")
)
_START_IN_TEXT: Final[Condition] = (
    *((Lookahead.SPACE, "assistant", Lookahead.SPACE, item) for item in ("<|channel|>", "to=")),
    (Lookahead.SPACE, "<|end|>", Lookahead.SPACE, "assistant"),
)
# An answer without `<|message|>`: no tag follows the channel soon, or JSON does.
_FINAL: Final = Transition(
    State.CONTENT,
    after_space("{", "["),
    otherwise=Transition(
        State.HEADER,
        tuple((Lookahead.WORDS, item) for item in ("<|message|>", "<|constrain|>", "<|channel|>")),
        otherwise=Transition(State.CONTENT),
    ),
)

_GRAMMAR: Final[Transitions] = {
    **each(_BETWEEN_MESSAGES, "<|start|>", Transition(State.HEADER, _START)),
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
    **each(_BEFORE_MESSAGE, "<|message|>", Transition(State.BEFORE_BODY)),
    **each((State.OPEN, State.CALLS), "<|end|>", Transition(State.CALLS)),
    (State.BEFORE_BODY, "<|end|>"): Transition(State.CALLS),
    (State.CALLS, "<|call|>"): Transition(State.CALLS),
}
# What the model writes instead: no `<|start|>assistant` before the first recipient, a recipient without
# namespace, no `<|message|>` before JSON, no `<|end|>` after the thinking.
_REPAIRS: Final[Transitions] = {
    **each(_BETWEEN_MESSAGES, "<|start|><|start|>", Transition(State.HEADER, _START)),
    **each(_BETWEEN_MESSAGES, "<|channel|><|channel|>", Transition(State.HEADER, _CHANNEL)),
    **each(
        _BETWEEN_MESSAGES,
        "assistant",
        Transition(State.HEADER, after_space("<|channel|>", "to=", "<|start|>")),
    ),
    **each(_BETWEEN_MESSAGES, "to=functions.", Transition(State.NAME, _RECIPIENT)),
    **each(_BETWEEN_MESSAGES, "to=", Transition(State.NAME, _RECIPIENT)),
    **each(_HEADERS, "to=", Transition(State.NAME, ((Lookahead.KNOWN_NAME,),))),
    **each(_BEFORE_MESSAGE, "{", Transition(State.BODY, consume=False)),
    **each(_BEFORE_MESSAGE, "<|end|>", Transition(State.BEFORE_BODY)),
    (State.BEFORE_BODY, "<|message|>"): Transition(State.BEFORE_BODY),
    **each((State.CALL_HEADER, State.BEFORE_BODY), "<|start|>", Transition(State.CALLS, consume=False)),
    (State.HEADER, "final"): _FINAL,
    (State.HEADER, "final "): _FINAL,
    (State.HEADER, "<|message|><|message|>"): Transition(State.CONTENT),
    (State.THINKING_HEADER, "<|message|><|message|>"): Transition(State.REASONING),
    **each(
        _TEXTS,
        "<|end|>",
        Transition(State.HEADER, ((Lookahead.SPACE, Lookahead.WORDS, "<|start|>assistant"),), partial=False),
    ),
    (State.REASONING, "<|channel|>"): Transition(State.OPEN, _CHANNEL_IN_TEXT, consume=False),
    (State.CONTENT, "<|channel|>"): Transition(
        State.OPEN,
        ((Lookahead.SPACE, "commentary", Lookahead.SPACE, "to=functions.", Lookahead.KNOWN_NAME),),
        consume=False,
    ),
    **each(_TEXTS, "<|start|>", Transition(State.OPEN, _START_IN_TEXT, consume=False)),
    **each(_TEXTS, "<|message|>", Transition(State.OPEN, after_space("<|start|>assistant"))),
    (State.BODY, "<|end|>"): Transition(State.CALLS, ((Lookahead.OUTSIDE_STRING,), *_NEXT)),
}
# Anything else in a header.
_JUNK: Final[Transitions] = {
    **each(
        _BETWEEN_MESSAGES,
        "<|channel|>",
        Transition(
            State.HEADER,
            tuple((Lookahead.WORDS, item) for item in ("<|message|>", "<|end|>", "<|start|>")),
            partial=False,
        ),
    ),
    **each(
        _BETWEEN_MESSAGES,
        "<|start|>",
        Transition(
            State.HEADER,
            ((Lookahead.WORDS, "<|channel|>"), (Lookahead.SPACE, "to=functions.", Lookahead.KNOWN_NAME)),
            partial=False,
        ),
    ),
}
# Tags that are missing before a channel or a recipient, or swapped with their neighbours.
_MISPLACED_TAGS: Final[Transitions] = {
    **each(
        _BETWEEN_MESSAGES,
        "commentary",
        Transition(
            State.HEADER, (("<|message|>",), (Lookahead.SPACE, "to=functions.", Lookahead.KNOWN_NAME))
        ),
    ),
    **each(_BETWEEN_MESSAGES, "final", Transition(State.HEADER, (("<|message|>",),))),
    **each(_BETWEEN_MESSAGES, "analysis", Transition(State.THINKING_HEADER, (("<|message|>",),))),
    **each(
        _BETWEEN_MESSAGES,
        "to=functions.",
        Transition(
            State.HEADER,
            (("commentary", Lookahead.SPACE, "<|channel|>", Lookahead.KNOWN_NAME, Lookahead.SPACE, "<|"),),
        ),
    ),
    **each(
        _BETWEEN_MESSAGES,
        "<|start|>",
        Transition(
            State.HEADER,
            (("to=functions.", Lookahead.SPACE, "assistant", Lookahead.KNOWN_NAME),),
            otherwise=Transition(State.CALLS, after_space("<|end|>")),
        ),
    ),
    (State.HEADER, "<|channel|>"): Transition(
        State.NAME, ((Lookahead.KNOWN_NAME, Lookahead.SPACE, "<|constrain|>"),)
    ),
    (State.HEADER, "assistant"): Transition(
        State.BEFORE_NAME, ((Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "<|channel|>"),)
    ),
    (State.HEADER, "commentary"): Transition(
        State.BEFORE_NAME, ((Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "<|"),)
    ),
    (State.CALLS, "<|message|>"): Transition(State.CALLS),
    (State.START, "<|message|>commentary<|channel|>"): Transition(State.CONTENT),
    (State.START, "<|message|>final<|channel|>"): Transition(State.CONTENT),
}

_GPT_OSS: Final = Format(
    name="gpt-oss",
    model_names=r"gpt-?oss",
    transitions=first_of(_GRAMMAR, _REPAIRS, _JUNK, _MISPLACED_TAGS),
    stop_tokens=("<|return|>", "<|call|>"),
    syntax=Syntax(
        call="<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{arguments}",
        separator="<|end|><|start|>assistant",
        answer="<|channel|>final<|message|>{answer}",
        thinking=("<|channel|>analysis<|message|>", "<|end|><|start|>assistant"),
    ),
)
FAMILY: Final = (_GPT_OSS,)
