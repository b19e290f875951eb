"""Parses output in tests, split in every way, and collects the events."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from answers import TOOLS
from headrace.chunks import merge
from headrace.events import Content, Event, Reasoning, ToolCallArguments, ToolCallEnd, ToolCallStart
from headrace.formats import FORMATS
from headrace.parsing import OutputParser


@dataclass
class Parsed:
    """The sum of events: texts, and for each call its name and the JSON text of its arguments."""

    reasoning: str = ""
    content: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    @property
    def decoded(self) -> list[tuple[str, Any]]:
        """The calls, with decoded arguments."""
        return [(name, json.loads(arguments)) for name, arguments in self.calls]


def parse(
    name: str, parts: Iterable[str], *, tools: Any = TOOLS, stopped: bool = False, **options: Any
) -> list[Event]:
    """Parse a text in parts; return its events, with adjacent ones merged."""
    parser = OutputParser(FORMATS[name], tools, **options)
    events = [event for part in parts for event in parser.feed(part)]
    return merge(events + parser.finish(stopped=stopped))


def splits(text: str) -> Iterator[list[str]]:
    """Split a text into characters, and into two parts at every position."""
    yield list(text)
    for place in range(len(text)):
        yield [text[:place], text[place:]]


def read(name: str, text: str, **options: Any) -> Parsed:
    """Parse a text; assert that no split changes the events."""
    events = parse(name, [text], **options)
    for parts in splits(text):
        assert parse(name, parts, **options) == events, parts
    return collect(events)


def collect(events: Iterable[Event]) -> Parsed:
    """Add up events."""
    parsed = Parsed()
    for event in events:
        match event:
            case Reasoning(text):
                parsed.reasoning += text
            case Content(text):
                parsed.content += text
            case ToolCallStart(index, name, id, arguments):
                assert index == len(parsed.calls)
                parsed.calls.append((name, arguments))
                parsed.ids.append(id)
            case ToolCallArguments(index, text):
                name, before = parsed.calls[index]
                parsed.calls[index] = (name, before + text)
            case ToolCallEnd(index):
                parsed.ended.append(index)
    return parsed
