"""Detects the family of a model by what its chat template writes, or else by the model's name.

The template writes an answer and calls with known values, and a family is detected if its parser reads the
calls back. If several families do, the one that agrees best with the rest is taken. Some templates write no
calls, such as those that reject them: then the tags in all that they write, and could write, decide.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from headrace.events import Content, Reasoning, ToolCallStart
from headrace.formats import FORMATS, TEXT, TEXT_WITH_THINKING, Format, State
from headrace.formats.transitions import THINK
from headrace.parsing import OutputParser
from headrace.parsing.initial_state import initial_state
from headrace.prompts import ChatTemplate
from headrace.prompts.written import ANSWER, CALLS, REASONING, Turn, Written

__all__ = ["detect_format", "text_format"]

_FAMILIES: Final = [format for format in dict.fromkeys(FORMATS.values()) if format.model_names]
_BEFORE_CALLS: Final = (State.START, State.OPEN, State.CONTENT)
_TAG: Final = re.compile(r"(?:\]<\]\w+\[>\[)?<[^<>]+>?|\[[A-Z_]+\]")


def detect_format(template: ChatTemplate | None, model_name: str) -> Format | None:
    """Return the format of a model's family; None if the family is unknown.

    Args:
        template: takes precedence over the name; None if there is none.
        model_name: with or without the organization.
    """
    if template is not None:
        written = Written(template)
        if written.calls is not None:
            return _best(_that_read(written.calls) or _with_all_tags(written.calls.text), written)
        found = _with_most_tags(written.prompts + template.literals) or _with_signs(written.prompts)
        if found:
            return _best(found, written)
    by_name = (format for format in _FAMILIES if re.search(format.model_names, model_name, re.IGNORECASE))
    return next(by_name, None)


def text_format(template: ChatTemplate | None) -> Format:
    """Return the format of a model of unknown family: text, and thinking unless its template has none."""
    return TEXT if template is not None and not Written(template).thinks else TEXT_WITH_THINKING


def _that_read(turn: Turn) -> list[Format]:
    """Return the families whose parser reads the calls of a turn, and nothing after them."""
    calls = list(CALLS.items())[: turn.calls]
    found = []
    for format in _FAMILIES:
        # Compiling a format takes time; most do not have the delimiters.
        if any(state in _BEFORE_CALLS and delimiter in turn.text for state, delimiter in format.transitions):
            read = _read(format, turn)
            ends = not read.rest.strip() or read.rest.lstrip().startswith(format.stop_tokens)
            if read.calls == calls and ends:
                found.append(format)
    return found


def _with_all_tags(text: str) -> list[Format]:
    """Return the families that have all tags in calls that none reads, since the template is faulty."""
    tags = {*_TAG.findall(text)}
    others = {one: len(_tags(one) - tags) for one in _FAMILIES if tags and tags <= _tags(one) | {*THINK}}
    return [format for format, number in others.items() if number == min(others.values())]


def _with_most_tags(text: str) -> list[Format]:
    """Return the families of which a text has the most tags, one that begins calls among them."""
    numbers = {}
    for format in _FAMILIES:
        if any(tag in text for tag in _tags(format, State.START)):
            tags = _tags(format)
            found = sum(tag in text for tag in tags)
            numbers[format] = (found, found - len(tags))
    most = max(numbers.values(), default=None)
    return [format for format, number in numbers.items() if number == most]


def _with_signs(prompts: str) -> list[Format]:
    return [format for format in _FAMILIES if _shows_signs(format, prompts) > 0]


def _best(formats: Sequence[Format], written: Written) -> Format | None:
    """Return the format that agrees best with what a template writes; the first of several."""
    return max(formats, key=lambda one: _agreement(one, written), default=None)


def _agreement(format: Format, written: Written) -> tuple[int, ...]:
    opens, always_opens = (
        bool(prompt) and initial_state(format, prompt, thinking=True) is State.THINKING
        for prompt in (written.prompt, written.prompt_without_thinking)
    )
    end = written.answer.end if written.answer else ""
    return (
        sum(_reads_texts(format, turn) for turn in (written.answer, written.calls) if turn),
        end.startswith(format.stop_tokens),
        (format.thinking_tags is not None) == written.thinks,
        (format.initial_state is State.THINKING) == opens,
        format.always_thinks == always_opens,
        _shows_signs(format, written.prompts),
    )


def _shows_signs(format: Format, text: str) -> int:
    """Return 1 if all signs of a format are in a text, -1 if not all are, 0 if it has none."""
    return (1 if all(sign in text for sign in format.signs) else -1) if format.signs else 0


def _reads_texts(format: Format, turn: Turn) -> bool:
    """Whether a format reads the texts of a turn as they were, and no line end more."""
    expected = tuple(text if text in turn.text else "" for text in (REASONING, ANSWER))
    read = _read(format, turn)
    return (read.reasoning, read.content) == expected


class _Read(NamedTuple):
    """What a parser finds in a turn; `rest` is the content after the calls."""

    reasoning: str
    content: str
    calls: list[tuple[str, Any]]
    rest: str


def _read(format: Format, turn: Turn) -> _Read:
    parser = OutputParser(format, dict.fromkeys(CALLS), prompt=turn.prompt, tool_stream=False)
    reasoning = content = rest = ""
    calls = []
    for event in [*parser.feed(turn.text), *parser.finish(stopped=True)]:
        match event:
            case Reasoning(text):
                reasoning += text
            case Content(text):
                content, rest = content + text, rest + text
            case ToolCallStart(name=name, arguments=arguments):
                calls.append((name, _decoded(arguments)))
                rest = ""
    return _Read(reasoning, content, calls, rest)


def _decoded(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _tags(format: Format, *states: State) -> set[str]:
    """Return the tags of a format's calls, in some states or in all."""
    delimiters = {
        delimiter
        for (state, delimiter), transition in format.transitions.items()
        if (not states or state in states) and transition.to not in _BEFORE_CALLS
    }
    delimiters -= {*THINK, *(format.thinking_tags or ())}
    return {tag for delimiter in delimiters for tag in _TAG.findall(delimiter)}
