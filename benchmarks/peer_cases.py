"""Runs the parser cases of vLLM, SGLang, Dynamo, LMDeploy and others, split in every way.

    python benchmarks/peer_cases.py peer_parser_cases.json

Prints how many pass, by family, and why the others fail. A case passes if its text gives the expected events
unsplit, by character, split in two at every position, and as split in its source.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headrace.events import Content, Reasoning, ToolCallArguments, ToolCallStart
from headrace.formats import FORMATS, State
from headrace.parsing import OutputParser

_FORMATS = {
    "glm45": "glm-4.5",
    "glm47": "glm-4.7",
    "qwen3_coder": "qwen3.5",
    "minimax_m2": "minimax-m2",
    "kimi_k2": "kimi-k2-thinking",
    "deepseek_v32": "deepseek-v3.2",
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("path", type=Path)
    cases = json.loads(arguments.parse_args().path.read_text())["cases"]
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    failures = []
    for case in cases:
        reason = failure(case)
        counts[case["family"]][0] += not reason
        counts[case["family"]][1] += 1
        if reason:
            failures.append(f"{case['id']}\n    {reason}")
    for family, (passed, number) in counts.items():
        print(f"{family:14} {passed:4} of {number}")
    glm = [sum(column) for column in zip(*(counts[family] for family in ("glm45", "glm47")), strict=True)]
    total = [sum(column) for column in zip(*counts.values(), strict=True)]
    print(f"{'GLM':14} {glm[0]:4} of {glm[1]}")
    print(f"{'others':14} {total[0] - glm[0]:4} of {total[1] - glm[1]}")
    print("\nfailed:", *failures, sep="\n")


def failure(case: dict[str, Any]) -> str:
    """Return why a case fails; "" if it passes."""
    for parts in splits(case):
        result = parse(case, parts)
        for key, wanted in expected(case).items():
            if wanted is not None and result[key] != wanted:
                return f"{key} in {len(parts)} parts: {result[key]!r} instead of {wanted!r}"[:400]
    return ""


def expected(case: dict[str, Any]) -> dict[str, Any]:
    texts = {key: comparable(case, case["expected"][key]) for key in ("reasoning", "content")}
    if case["content_match"] == "any":
        texts["content"] = None
    return {**texts, "calls": case["expected"]["calls"]}


def comparable(case: dict[str, Any], text: str) -> str:
    return text if case["content_match"] == "exact" else text.strip()


def splits(case: dict[str, Any]) -> Iterator[list[str]]:
    text = case["input"]
    yield [text]
    yield list(text)
    yield from ([text[:place], text[place:]] for place in range(1, len(text)))
    yield from (case[key] for key in ("chunks", "tokens") if key in case)


def parse(case: dict[str, Any], parts: list[str]) -> dict[str, Any]:
    format = FORMATS[_FORMATS[case["family"]]]
    functions = [tool["function"] for tool in case["tools"] or ()]
    # In families whose prompt opens the thinking, `starts_in_reasoning` is whether this one did.
    thinking = case["thinking"] and (case["starts_in_reasoning"] or format.initial_state is State.START)
    parser = OutputParser(
        format, {function["name"]: function.get("parameters") for function in functions}, thinking=thinking
    )
    texts = {Reasoning: "", Content: ""}
    calls: list[list[str]] = []
    for event in [event for part in parts for event in parser.feed(part)] + parser.finish(stopped=True):
        match event:
            case Reasoning(text) | Content(text):
                texts[type(event)] += text
            case ToolCallStart(_, name):
                calls.append([name, ""])
            case ToolCallArguments(index, text):
                calls[index][1] += text
    return {
        "reasoning": comparable(case, texts[Reasoning]),
        "content": comparable(case, texts[Content]),
        "calls": [{"name": name, "arguments": decoded(arguments)} for name, arguments in calls],
    }


def decoded(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


if __name__ == "__main__":
    main()
