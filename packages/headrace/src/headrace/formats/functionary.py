r"""Functionary.

    2.2, 2.4  message ("\n<|from|>assistant\n<|recipient|>" message)*   the prompt ends with `<|recipient|>`
              message  "all\n<|content|>" content | name "\n<|content|>" {…}
    3.1       content call*
              call     "<function=" name ">" {…} "</function>"
    3.2       message (">>>" message)*                                  the prompt ends with `>>>`
              message  "all\n" content | name "\n" {…}

Sources: the chat templates of meetkai/functionary-medium-v2.2, -v3.1 and -v3.2.
"""

from typing import Final

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
    IN_ANSWER,
    NAME_BEFORE_BODY,
    after_space,
    each,
    first_of,
    misplaced_tags,
)

__all__ = ["FAMILY"]

_LLAMA_STOPS: Final = ("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>")


def _messages(separator: str, name_end: str) -> Transitions:
    """Return the transitions of messages with a recipient: a tool, or `all` for the answer."""
    known: Condition = ((Lookahead.KNOWN_NAME, name_end),)
    any_name: Condition = ((Lookahead.ANY_NAME, name_end),)
    before, content = (State.START, State.CONTENT, State.CALLS), Transition(State.CONTENT)
    return {
        (State.START, f"all{name_end}"): content,
        **each((State.START, State.CALLS), ANY_TEXT, Transition(State.NAME, known)),
        **each(before, f"{separator}all{name_end}", content),
        **each(before, separator, Transition(State.BEFORE_NAME, any_name)),
        **each(before, separator + separator.lstrip(), Transition(State.BEFORE_NAME, known)),
        (State.NAME, name_end): Transition(State.BEFORE_BODY),
        (State.NAME, "{"): Transition(State.BODY, consume=False),
        (State.BEFORE_BODY, name_end): Transition(State.BEFORE_BODY),
        **each((State.BEFORE_BODY,), separator, Transition(State.CALLS, consume=False)),
        (State.BODY, separator): Transition(
            State.CALLS, ((Lookahead.OUTSIDE_STRING, *known[0]),), consume=False
        ),
    }


_V2: Final = Format(
    name="functionary-2",
    model_names=r"functionary-(.*v)?2",
    transitions=first_of(
        _messages("\n<|from|>assistant\n<|recipient|>", "\n<|content|>"),
        misplaced_tags(("<|from|>assistant\n<|recipient|>", "<|content|>"), (), NAME_BEFORE_BODY),
    ),
    stop_tokens=("<|stop|>",),
    syntax=Syntax(
        call="{name}\n<|content|>{arguments}",
        separator="\n<|from|>assistant\n<|recipient|>",
        answer="all\n<|content|>{answer}",
    ),
)
_BARE: Final = (Lookahead.KNOWN_NAME, ">", Lookahead.SPACE, "{")
_V3_1: Final = Format(
    name="functionary-3.1",
    model_names=r"functionary-(.*v)?3\.1",
    transitions=first_of(
        {
            **each(
                IN_ANSWER,
                "<function=",
                Transition(
                    State.BEFORE_NAME,
                    (
                        (Lookahead.ANY_NAME, ">", Lookahead.SPACE, "{"),
                        (Lookahead.KNOWN_NAME, Lookahead.SPACE, "{"),
                    ),
                ),
            ),
            (State.NAME, ">"): Transition(State.BEFORE_BODY),
            (State.CALLS, "</function>"): Transition(State.CALLS),
            # Missing and doubled tags, and broken JSON.
            **each(
                IN_ANSWER,
                "<function=<function=",
                Transition(State.BEFORE_NAME, ((Lookahead.KNOWN_NAME, ">"),)),
            ),
            **each((State.START, State.CALLS), ANY_TEXT, Transition(State.NAME, (_BARE,))),
            **each(
                (State.START, State.CONTENT),
                "</function>",
                Transition(State.BEFORE_NAME, (_BARE,), partial=False),
            ),
            (State.NAME, "{"): Transition(State.BODY, consume=False),
            **each((State.NAME, State.BEFORE_BODY), "</function>", Transition(State.CALLS)),
            (State.BODY, "</function>"): Transition(
                State.CALLS, ((Lookahead.OUTSIDE_STRING,), *after_space("<function=", Lookahead.END))
            ),
            (State.BODY, "<function="): Transition(
                State.CALLS, ((Lookahead.OUTSIDE_STRING,),), consume=False
            ),
        },
        misplaced_tags(("<function=",), ("</function>",), ((Lookahead.TAGS, *_BARE),)),
    ),
    stop_tokens=_LLAMA_STOPS,
    syntax=Syntax(call="<function={name}>{arguments}</function>"),
)
_V3_2: Final = Format(
    name="functionary-3.2",
    model_names=r"functionary",
    transitions=_messages(">>>", "\n"),
    stop_tokens=_LLAMA_STOPS,
    syntax=Syntax(call="{name}\n{arguments}", separator=">>>", answer="all\n{answer}"),
)
FAMILY: Final = (_V2, _V3_1, _V3_2)
