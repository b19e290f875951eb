"""The cost of `feed` depends on its text alone, not on earlier text: counted in characters, not in time."""

import pytest

from headrace.formats import FORMATS, MAX_SPACE
from headrace.parsing import OutputParser

pytestmark = pytest.mark.interpreted  # an interpreted class cannot inherit from a compiled one

TOOLS = {
    "find": {"properties": {"text": {"type": "string"}, "tags": {"type": "array"}, "any": {}}},
    "get_weather": None,
}
SIZE = 8_000
# A delimiter, a lookahead of white space, a name of 128 characters and another delimiter.
MAX_HELD = 2 * MAX_SPACE + 256


class CountingParser(OutputParser):
    """Counts the characters that it scans."""

    scanned = 0
    most_at_once = 0
    most_held = 0

    def _scan(self, text, *, at_end):
        self.scanned += len(text)
        self.most_at_once = max(self.most_at_once, len(text))
        super()._scan(text, at_end=at_end)
        self.most_held = max(self.most_held, len(self._held), len(self._space))


def count(name, before, text, size):
    parser = CountingParser(FORMATS[name], TOOLS)
    parser.feed(before)
    for start in range(0, len(text), size):
        parser.feed(text[start : start + size])
    parser.finish()
    return parser


VALUE = "<tool_call>find\n<arg_key>{}</arg_key>\n<arg_value>"
PLACES = {
    "start": ("glm-4.6", ""),
    "thinking": ("glm-4.7", ""),
    "content": ("glm-4.6", "Hello"),
    "string": ("glm-4.6", VALUE.format("text")),
    "array": ("glm-4.6", VALUE.format("tags")),
    "untyped": ("glm-4.6", VALUE.format("any")),
    "after a value": ("glm-4.6", VALUE.format("text") + "</arg_value>"),
    "after a name": ("glm-4.6", "<tool_call>find\n"),
    "key": ("glm-4.6", "<tool_call>find\n<arg_key>"),
    "after a call": ("glm-4.6", "<tool_call>find\n</tool_call>"),
    "first line": ("glm-4-0414", ""),
    "call object": ("qwen3", '<tool_call>{"name": "find", "arguments": {"text": "'),
    "arguments first": ("qwen3", '<tool_call>{"arguments": {"text": "'),
    "braces": ("llama-3", ""),
    "header": ("gpt-oss", "<|channel|>"),
    "token": ("mistral", "[TOOL_CALLS]"),
}
UNITS = [
    "<", "[", "{", "\n", " ", "</arg_value>", "</arg_value> ", "</tool_call>", "<tool_call>", "<tool_call>find",
    "<tool_call>x ", "\\", '"', "'", '\\"', "]", "}", "T", "1", "get_weathe", "get_weather\n", "<|end|>", "<|us",
    "[TOOL_CALLS]", "<arg_key>", "</arg_key>", "\u3000",
]  # fmt: skip


@pytest.mark.parametrize(("name", "before"), PLACES.values(), ids=PLACES)
def test_no_text_makes_the_parser_rescan_or_hold_back_without_bound(name, before):
    for unit in UNITS:
        text = (unit * SIZE)[:SIZE]
        small, large = (count(name, before, text, size) for size in (4, SIZE))

        assert small.most_held <= MAX_HELD, unit
        # Each text is scanned once, and what is held back is scanned again with each text until it is decided.
        assert small.scanned <= SIZE * (1 + MAX_HELD / 4), unit
        assert large.scanned <= 2 * SIZE + len(before), unit


@pytest.mark.parametrize(("name", "before"), PLACES.values(), ids=PLACES)
def test_plain_text_is_scanned_once(name, before):
    parser = count(name, before, "word " * (SIZE // 5), 4)

    assert parser.scanned <= SIZE + len(before) + MAX_HELD


def test_a_long_text_is_scanned_in_parts():
    """Otherwise, each of its calls would scan all of the remaining text for a delimiter."""
    parser = count("llama-3", "", '{"name": "find", "parameters": {}}; ' * 4_000, 1_000_000)

    assert parser.most_at_once <= 16_384 + MAX_HELD
    assert parser.called_tools


def test_a_value_longer_than_any_scalar_is_not_buffered():
    parser = OutputParser(FORMATS["glm-4.6"], TOOLS)
    parser.feed(VALUE.format("any"))

    assert parser.feed("1" * 65)[0].text == '"' + "1" * 65
