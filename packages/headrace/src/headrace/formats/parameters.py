"""The transitions of families that write each argument of a call as a parameter between tags.

    block      BLOCK call* BLOCK_END
    call       CALL name NAME_END parameter* CALL_END
    parameter  PARAMETER key KEY_END value PARAMETER_END

Beyond the grammar, a malformed call is repaired where one reading is plausible: the name of a tool of the
request, or of an argument that the call still lacks, shows which tag is missing.
"""

from collections.abc import Mapping

import msgspec

from headrace.formats.format import (
    ANY_TEXT,
    Condition,
    Encoding,
    Lookahead,
    State,
    Syntax,
    Transition,
    Transitions,
)
from headrace.formats.transitions import (
    BETWEEN_ARGUMENTS,
    IN_ANSWER,
    IN_THINKING,
    after_space,
    each,
    first_of,
)

__all__ = ["ParameterTags", "parameter_syntax", "parameter_transitions"]


class ParameterTags(msgspec.Struct, frozen=True, kw_only=True):
    """The tags of a family; see the module's docstring.

    Args:
        before_block: line ends before a block that are markup, as far as they are present.
        attributes_end: what ends a tag with further attributes.
        key_ends: what ends a key, and how the value that follows is written.
        value_lines: whether a value stands on lines of its own.
    """

    before_block: str
    block: str
    block_end: str
    call: str
    name_end: str
    attributes_end: str = ">"
    call_end: str
    parameter: str
    key_ends: Mapping[str, Encoding]
    parameter_end: str
    value_lines: bool = False

    @property
    def after_name(self) -> State:
        """The state after the name of a call."""
        return State.CALL_HEADER if self.has_attributes else State.ARGUMENTS

    @property
    def has_attributes(self) -> bool:
        """Whether the tag of a call has further attributes after the name."""
        return not self.name_end.endswith(self.attributes_end)


def parameter_transitions(tags: ParameterTags) -> Transitions:
    """Return the transitions of calls, in the thinking and in the answer."""
    quote = tags.name_end[0]
    known_calls: Condition = (
        (Lookahead.SPACE, tags.call, Lookahead.KNOWN_NAME, quote),
        (Lookahead.SPACE, tags.call, Lookahead.KNOWN_NAME, Lookahead.SPACE, tags.parameter),
    )
    block = Transition(
        State.CALLS,
        (
            (Lookahead.SPACE, tags.call, Lookahead.ANY_NAME, quote),
            *known_calls[1:],
            (Lookahead.SPACE, tags.block_end),
            (Lookahead.SPACE, tags.block, Lookahead.SPACE, tags.call, Lookahead.KNOWN_NAME, quote),
            (Lookahead.SPACE, tags.call + tags.call, Lookahead.KNOWN_NAME, quote),
            *((Lookahead.SPACE, *path) for path in _known_name(tags, tags.parameter)),
            # Swapped tags.
            (Lookahead.SPACE, tags.parameter, Lookahead.KNOWN_NAME, tags.name_end),
            (Lookahead.SPACE, tags.name_end, Lookahead.KNOWN_NAME, tags.call),
        ),
    )
    known_name = tuple(path[2:] for path in known_calls)
    well_formed: Transitions = {
        **each(IN_THINKING, tags.block, Transition(State.CALLS, known_calls)),
        **each(IN_ANSWER, tags.block, block),
        **{(State.CONTENT, space + tags.block): block for space in _line_ends(tags.before_block)},
        (State.CALLS, tags.block_end): Transition(State.CALLS),
        (State.CALLS, tags.call): Transition(State.NAME, ((Lookahead.ANY_NAME, quote), *known_name[1:])),
        (State.NAME, tags.name_end): Transition(tags.after_name),
        **each(BETWEEN_ARGUMENTS, tags.parameter, Transition(State.KEY)),
        **each(BETWEEN_ARGUMENTS, tags.call_end, Transition(State.CALLS)),
        **{
            (State.KEY, end): Transition(State.VALUE, encoding=encoding)
            for end, encoding in tags.key_ends.items()
        },
        **_ends_of_value(tags, known_calls),
        **_missing_tags(tags, known_calls),
        **(_attributes(tags.attributes_end) if quote == '"' else {}),
    }
    return first_of(well_formed, _swapped_tags(tags))


def parameter_syntax(tags: ParameterTags, *, blocks: bool = False) -> Syntax:
    """Return the syntax of calls, each in a block of its own or all in one."""
    line = "\n" if tags.value_lines else ""
    end = f"{line}{tags.parameter_end}"
    written = {
        encoding: f"{tags.parameter}{{key}}{key_end}{line}{{value}}{end}\n"
        for key_end, encoding in tags.key_ends.items()
    }
    call = f"{tags.call}{{name}}{tags.name_end}\n{{arguments}}{tags.call_end}\n"
    block = f"{tags.block}\n{call if blocks else '{calls}'}{tags.block_end}"
    return Syntax(
        call=block if blocks else call,
        calls="{calls}" if blocks else block,
        separator="\n" if blocks else "",
        argument=written.get(Encoding.TEXT) or written[Encoding.BY_SCHEMA],
        value_end=end,
        json_argument=written.get(Encoding.JSON, ""),
    )


def _known_name(tags: ParameterTags, *following: str) -> Condition:
    """Return the condition for the name of a known tool and what follows its tag."""
    if tags.has_attributes:
        return ((Lookahead.KNOWN_NAME, tags.name_end),)
    return tuple((Lookahead.KNOWN_NAME, tags.name_end, Lookahead.SPACE, tag) for tag in following)


def _line_ends(before: str) -> list[str]:
    return [before[:size] for size in range(1, len(before) + 1)]


def _ends_of_value(tags: ParameterTags, known_calls: Condition) -> Transitions:
    quote = tags.name_end[0]
    ends = {
        tags.parameter_end: Transition(
            State.ARGUMENTS,
            (
                *after_space(tags.parameter, tags.call_end, tags.block_end, tags.call, Lookahead.END),
                *((Lookahead.SPACE, Lookahead.KNOWN_KEY, end) for end in tags.key_ends),
            ),
        ),
        # Missing closing tags.
        tags.call_end: Transition(
            State.CALLS,
            (*after_space(tags.block_end, Lookahead.END), *known_calls),
        ),
        tags.block_end: Transition(State.CALLS, after_space(Lookahead.END)),
        tags.parameter: Transition(State.KEY, ((Lookahead.KNOWN_KEY, quote),)),
        tags.call: Transition(State.NAME, _known_name(tags, tags.parameter)),
    }
    before = {tag: ("", "\n") if tags.value_lines or tag != tags.parameter_end else ("",) for tag in ends}
    return {(State.VALUE, space + tag): ends[tag] for tag in ends for space in before[tag]}


def _missing_tags(tags: ParameterTags, known_calls: Condition) -> Transitions:
    """Return the transitions for missing and doubled tags outside of values."""
    quote = tags.name_end[0]
    # A call without a block is more than a mention if its first argument or its end follows.
    bare = Transition(State.NAME, _known_name(tags, tags.parameter, tags.call_end, "{"))
    next_call = Transition(State.NAME, ((Lookahead.KNOWN_NAME, quote),))
    return {
        **each((State.START, State.OPEN, State.CONTENT), tags.call, bare),
        **{(State.CONTENT, space + tags.call): bare for space in _line_ends(tags.before_block)},
        (State.CALLS, ANY_TEXT): bare,
        (State.CALLS, tags.call + tags.call): next_call,
        (State.CALLS, tags.call_end): Transition(State.CALLS),
        (State.CALLS, tags.parameter_end): Transition(State.CALLS),
        (State.NAME, tags.parameter): Transition(State.KEY),
        **each((*BETWEEN_ARGUMENTS, State.KEY), tags.call, next_call),
        **each((*BETWEEN_ARGUMENTS, State.KEY), tags.block, Transition(State.CALLS, known_calls)),
        **each((*BETWEEN_ARGUMENTS, State.KEY), tags.block_end, Transition(State.CALLS)),
        **each((*BETWEEN_ARGUMENTS, State.KEY), tags.parameter_end, Transition(State.ARGUMENTS)),
        (State.ARGUMENTS, ANY_TEXT): Transition(
            State.KEY, tuple((Lookahead.KNOWN_KEY, end) for end in tags.key_ends)
        ),
        (State.KEY, tags.parameter): Transition(State.KEY),
        (State.KEY, tags.call_end): Transition(State.CALLS),
    }


def _swapped_tags(tags: ParameterTags) -> Transitions:
    """Return the transitions for tags that are swapped with their neighbours."""
    before_block = Transition(
        State.CALLS, ((Lookahead.SPACE, tags.block, Lookahead.SPACE, Lookahead.KNOWN_NAME, tags.name_end),)
    )
    next_tag = after_space(tags.parameter, tags.call_end)
    return {
        **each(IN_ANSWER, tags.call, before_block),
        **{(State.CONTENT, space + tags.call): before_block for space in _line_ends(tags.before_block)},
        (State.CALLS, tags.parameter): Transition(State.NAME, ((Lookahead.KNOWN_NAME, tags.name_end),)),
        (State.CALLS, tags.name_end): Transition(State.NAME, ((Lookahead.KNOWN_NAME, tags.call),)),
        (State.NAME, tags.call): Transition(tags.after_name),
        (State.ARGUMENTS, tags.call): Transition(
            State.KEY,
            tuple((Lookahead.KNOWN_KEY, end) for end in tags.key_ends),
            otherwise=Transition(State.ARGUMENTS, after_space(tags.call_end)),
        ),
        **{(State.ARGUMENTS, end): Transition(State.ARGUMENTS) for end in tags.key_ends},
        **{(State.UNPARSED, end): Transition(State.ARGUMENTS, next_tag) for end in tags.key_ends},
    }


def _attributes(end: str) -> Transitions:
    """Return the transitions for further attributes of a tag, which are dropped."""
    return {
        (State.NAME, '"'): Transition(State.CALL_HEADER),
        (State.CALL_HEADER, end): Transition(State.ARGUMENTS),
        (State.KEY, '"'): Transition(State.ATTRIBUTES),
        (State.ATTRIBUTES, end): Transition(State.VALUE),
    }
