"""Answers of two calls in which one tag is missing, doubled, or swapped with the next one."""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from answers import Answer, Call, Family
from headrace.formats import FORMATS
from reading import Parsed, collect, parse
from strategies import delimiters_of

CALLS = (
    Call("write_file", {"path": "one two", "content": "three four"}),
    Call("write", {"text": "five six", "state": "append"}),
)
_HEADER_WORDS = ("analysis", "commentary", "final")


class Mutant(NamedTuple):
    """A malformed answer: its text, the tag that was changed, and how."""

    text: str
    tag: str
    change: str


def mutants(family: Family) -> Iterator[Mutant]:
    """Change each tag of the calls in each way."""
    thinking = FORMATS[family.format].thinking_tags or ()
    tags = [tag for tag in delimiters_of(family.format) if tag not in (*thinking, *_HEADER_WORDS)]
    pattern = "|".join(map(re.escape, sorted(tags, key=len, reverse=True)))
    # The capturing group puts the tags at the odd places.
    parts = re.split(f"({pattern})", family.write(Answer(calls=CALLS)))
    for place in range(1, len(parts), 2):
        before, tag, after = parts[:place], parts[place], parts[place + 1 :]
        yield Mutant("".join([*before, *after]), tag, "missing")
        yield Mutant("".join([*before, tag, tag, *after]), tag, "doubled")
        if len(after) > 1:
            yield Mutant("".join([*before, after[1], after[0], tag, *after[2:]]), tag, "swapped")


def result_of(family: Family, mutant: Mutant) -> Parsed:
    return collect(parse(family.format, [mutant.text], stopped=True))


def is_repaired(parsed: Parsed) -> bool:
    """Whether nothing but white space differs from the well-formed answer."""
    try:
        calls = [
            Call(name, {key: value.strip() for key, value in json.loads(arguments).items()})
            for name, arguments in parsed.calls
        ]
    except (ValueError, AttributeError):
        return False
    return (*calls,) == CALLS and not parsed.content.strip()
