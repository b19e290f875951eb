"""Measures the cost of parsing a fragment of output, in various states and after texts of various lengths.

    python benchmarks/parsing.py [--size 4] [--rounds 7]

Measures CPU time. The cases are interleaved; the table has the best and the median of the rounds.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Iterator

from headrace.formats import FORMATS
from headrace.parsing import OutputParser

PROPERTIES = {
    "text": {"type": "string"},
    "items": {"type": "array"},
    "fields": {"type": "object"},
    **{f"argument_{index}": {"type": "string"} for index in range(500)},
}
TOOLS = {"write": {"type": "object", "properties": PROPERTIES}}
SENTENCE = 'def main():\n    print("one\\n", a < b, "two")  # 你好 </div> \n'
RECORD = {"id": 12345, "name": "an item", "tags": ["red", "green"], "price": 9.75, "in_stock": True}
LENGTHS = (2_000, 128_000, 1_000_000)

Case = tuple[str, str, str, str]
"""Title, format, the text before, the measured text."""


def cases() -> Iterator[Case]:
    opening = "<tool_call>write\n<arg_key>{}</arg_key>\n<arg_value>"
    records = json.dumps(RECORD) + ", "
    growing = {
        "string": ("text", "", SENTENCE),
        "array": ("items", "[", records),
        "object": ("fields", '{"a": [', records),
    }
    for kind, (argument, before, unit) in growing.items():
        for length in LENGTHS:
            title = f"{kind} of {length:,} characters"
            yield title, "glm-4.6", opening.format(argument) + before, repeat(unit, length)
    arguments = "".join(
        f"<arg_key>argument_{index}</arg_key>\n<arg_value>a short value</arg_value>\n" for index in range(500)
    )
    yield "500 short arguments", "glm-4.6", "<tool_call>write\n", arguments
    yield "500 short arguments, 4.7", "glm-4.7", "</think><tool_call>write", arguments.replace("\n", "")
    yield "answer", "glm-4.6", "<think></think>\nSo: ", repeat(SENTENCE, 128_000)
    yield "thinking", "glm-4.6", "<think>", repeat(SENTENCE, 128_000)
    text = json.dumps(repeat(SENTENCE, 128_000))[1:-1]
    yield (
        "string in a JSON body",
        "kimi-k2",
        '<|tool_call_begin|>functions.write:0<|tool_call_argument_begin|>{"text": "',
        text,
    )
    yield "string in a call object", "qwen3", '<tool_call>\n{"name": "write", "arguments": {"text": "', text
    yield (
        "records in a JSON body",
        "kimi-k2",
        '<|tool_call_begin|>functions.write:0<|tool_call_argument_begin|>{"a": [',
        repeat(records, 128_000),
    )


def repeat(text: str, length: int) -> str:
    return (text * (length // len(text) + 1))[:length]


def measure(case: Case, size: int) -> float:
    """Return the CPU time per fragment, in µs."""
    _, family, before, text = case
    fragments = [text[start : start + size] for start in range(0, len(text), size)]
    # A short text is parsed several times, to exceed the resolution of the clock.
    times = max(1, 8_000 // len(fragments))
    parsers = [OutputParser(FORMATS[family], TOOLS) for _ in range(times)]
    for parser in parsers:
        parser.feed(before)
    started = time.process_time()
    for parser in parsers:
        feed = parser.feed
        for fragment in fragments:
            feed(fragment)
    return (time.process_time() - started) / times / len(fragments) * 1e6


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--size", type=int, default=4, help="characters per fragment")
    options.add_argument("--rounds", type=int, default=7)
    chosen = options.parse_args()
    all_cases = list(cases())
    rounds = [[measure(case, chosen.size) for case in all_cases] for _ in range(chosen.rounds)]
    print(f"Python {platform.python_version()}, {chosen.size} characters per fragment, µs of CPU time\n")
    print(f"{'':34}{'best':>8}{'median':>8}")
    for case, times in zip(all_cases, zip(*rounds, strict=True), strict=True):
        print(f"{case[0]:34}{min(times):8.2f}{statistics.median(times):8.2f}")


if __name__ == "__main__":
    main()
