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
_TAGS_OF_ANSWERS = (
    "<answer>", "</answer>", "<response>", "</response>", "[END FINAL RESPONSE]", "<think_on>", "<think_off>",
    "<|begin_of_box|>", "<|end_of_box|>", "<|content|>", "<|begin|>assistant", "all\n<|content|>",
    "<|open|>response<|sep|>", "<|close|>response<|sep|>", "<|close|>message<|sep|>",
)  # fmt: skip


class Mutant(NamedTuple):
    """A malformed answer: its text, the tag that was changed, and how."""

    text: str
    tag: str
    change: str


def mutants(family: Family, content: str = "") -> Iterator[Mutant]:
    """Change each tag of the calls in each way."""
    format, text = FORMATS[family.format], family.write(Answer(content=content, calls=CALLS))
    tags = [tag for tag in delimiters_of(family.format) if tag not in _HEADER_WORDS]
    kept = {*(format.thinking_tags or ()), *_TAGS_OF_ANSWERS}
    pattern = "|".join(map(re.escape, sorted({*tags, *kept}, key=len, reverse=True)))
    parts, end = [], 0
    for tag in re.finditer(pattern, text):
        if tag[0] not in kept:
            parts += [text[end : tag.start()], tag[0]]  # the tags are at the odd places
            end = tag.end()
    parts.append(text[end:])
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
