"""gpt-oss: the harmony format.

    output   message ("<|start|>assistant" message)*
    message  "<|channel|>" header "<|message|>" text ("<|end|>" | "<|call|>" | "<|return|>")

    analysis in the header                thinking
    final or commentary                   the answer
    "to=functions." name                  a call: the text is its arguments as JSON

The recipient stands before or after the channel. Source: openai/harmony, docs/format.md.
"""

from typing import Final

from headrace.formats.format import Format, Guard, Look, Mode, Step
from headrace.formats.rows import after_space, each

__all__ = ["GPT_OSS"]

_BETWEEN: Final = (Mode.START, Mode.OPEN, Mode.CALLS)
_HEADERS: Final = (Mode.HEADER, Mode.THINKING_HEADER)
_CHANNEL: Final[Guard] = (
    *after_space("analysis", "commentary", "final"),
    (Look.SPACE, Look.ANY_NAME, Look.SPACE, "<|message|>"),
)
_NEXT: Final[Guard] = after_space("<|start|>", "<|channel|>", Look.END)

GPT_OSS: Final = Format(
    name="gpt-oss",
    steps={
        **each(_BETWEEN, "<|start|>", Step(Mode.HEADER, after_space("assistant"))),
        **each(_BETWEEN, "<|channel|>", Step(Mode.HEADER, _CHANNEL)),
        (Mode.HEADER, "analysis"): Step(Mode.THINKING_HEADER),
        **each(_HEADERS, "to=functions.", Step(Mode.NAME, ((Look.ANY_NAME,),))),
        (Mode.HEADER, "<|message|>"): Step(Mode.CONTENT),
        (Mode.THINKING_HEADER, "<|message|>"): Step(Mode.REASONING),
        **each((Mode.REASONING, Mode.CONTENT), "<|end|>", Step(Mode.OPEN, _NEXT)),
        (Mode.NAME, " "): Step(Mode.CALL_HEADER),
        (Mode.NAME, "<|channel|>"): Step(Mode.CALL_HEADER),
        (Mode.NAME, "<|constrain|>"): Step(Mode.CALL_HEADER),
        **each((Mode.NAME, Mode.CALL_HEADER), "<|message|>", Step(Mode.BEFORE_BODY)),
        **each((Mode.CALLS, Mode.BEFORE_BODY), "<|end|>", Step(Mode.CALLS)),
        (Mode.CALLS, "<|call|>"): Step(Mode.CALLS),
        # The JSON is broken.
        (Mode.BODY, "<|end|>"): Step(Mode.CALLS, ((Look.NO_STRING,), *_NEXT)),
    },
    stops=("<|return|>", "<|call|>"),
)
