"""Ask a model what the corpus does not contain, and count the right answers.

    python evaluate.py model.gguf [--failures 20] [--fresh]

Every case is asked greedily and at temperature 1.0 (top_p 0.95, top_k 40).
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import xllamacpp
from cases import check_held_out, fresh_cases, make_cases, seed_cases
from structured_cases import FRESH_SCHEMAS, schema_cases, structured_cases

from answers import Answer, Case
from headrace.engines import Generation
from headrace.engines.gguf import special_tokens
from headrace.engines.protocols.grammar import answer_grammar
from headrace.engines.schemas.validator import GrammarValidator
from headrace.events import Content, Reasoning, ToolCallArguments, ToolCallStart
from headrace.formats.glm import GLM_4_6
from headrace.parsing import OutputParser
from headrace.wire import decode_request
from prompts import prompt

SAMPLING = {"greedy": {"temperature": 0}, "T=1.0": {"temperature": 1.0, "top_p": 0.95, "top_k": 40}}


class Engine:
    def __init__(self, path: str) -> None:
        p = xllamacpp.CommonParams()
        p.model.path, p.n_ctx, p.n_parallel, p.verbosity, p.warmup = path, 4096, 1, -1, False
        p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
        p.cache_ram_mib = 0
        self.server = xllamacpp.Server(p)
        self.special_tokens = special_tokens(Path(path))
        self.validator = GrammarValidator()

    def grammar(self, case: Case, text: str) -> dict[str, Any]:
        """The field that constrains the answer as the request of the case wants it."""
        if not case.request:
            return {}
        thinking = {"type": "enabled" if case.thinking else "disabled"}
        body = {"model": "glm-4.6", "messages": case.messages, "thinking": thinking, **case.request}
        if case.tools:
            body["tools"] = case.tools
        generation = Generation(text, decode_request(json.dumps(body).encode()))
        return {"grammar": answer_grammar(generation, GLM_4_6, self.validator, self.special_tokens)}

    def complete(self, text: str, **sampling: Any) -> tuple[str, str]:
        """The model's text and its finish reason."""
        chunks: list[dict[str, Any]] = []
        body = {"prompt": text, "stream": True, "max_tokens": 400, "min_p": 0, **sampling}
        self.server.handle_completions(json.dumps(body), lambda chunk: chunks.append(json.loads(chunk)))
        choices = [chunk["choices"][0] for chunk in chunks]
        return "".join(choice["text"] for choice in choices), choices[-1]["finish_reason"]


def parse(text: str, finish: str, case: Case) -> Answer:
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in case.tools}
    parser = OutputParser(GLM_4_6, schemas, thinking=case.thinking)
    answer = Answer(text=text)
    arguments: list[str] = []
    names: list[str] = []
    for event in [*parser.feed(text), *parser.finish()]:
        match event:
            case Reasoning(piece):
                answer.thought += piece
            case Content(piece):
                answer.content += piece
            case ToolCallStart(_, name):
                names.append(name)
                arguments.append("")
            case ToolCallArguments(_, piece):
                arguments[-1] += piece
    try:
        answer.calls = [(n, json.loads(a or "{}")) for n, a in zip(names, arguments, strict=True)]
    except json.JSONDecodeError:
        return answer
    rest = answer.thought + answer.content
    markup = any(
        tag in rest for tag in ("<think", "</think", "tool_call>", "<arg_", "</arg_", "tool_response>")
    )
    said = bool(answer.content.strip() or answer.calls)
    answer.well_formed = finish == "stop" and not markup and said and bool(answer.thought) == case.thinking
    return answer


def run(engine: Engine, cases: list[Case], sampling: dict[str, Any], failures: int) -> None:
    right, formed, total = Counter(), Counter(), Counter()
    for number, case in enumerate(cases):
        text = prompt(case.messages, case.tools, thinking=case.thinking)
        fields = {**sampling, **engine.grammar(case, text)}
        answer = parse(*engine.complete(text, seed=number + 1, **fields), case)
        good = answer.well_formed and case.right(answer)
        total[case.kind] += 1
        formed[case.kind] += answer.well_formed
        right[case.kind] += good
        if not good and failures > 0:
            failures -= 1
            names = [tool["function"]["name"] for tool in case.tools]
            print(f"    {case.kind}: {case.messages[-1]['content']!r} {names} -> {answer.text!r}")
    for kind in total:
        print(
            f"  {kind:28} right {right[kind]:4}/{total[kind]:<4} well-formed {formed[kind]:4}/{total[kind]}"
        )
    share = formed.total() / total.total()
    print(
        f"  {'all':28} right {right.total():4}/{total.total():<4} well-formed {formed.total():4} ({share:.1%})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--count", type=int, default=40, help="cases of each kind and language")
    parser.add_argument("--failures", type=int, default=0, help="how many wrong answers to print")
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="ask the second set: of cities, results and small talk, or of schemas",
    )
    parser.add_argument(
        "--structured", action="store_true", help="ask for JSON, forced calls and exact replies"
    )
    options = parser.parse_args()
    check_held_out()
    if options.structured:
        cases = list(schema_cases(FRESH_SCHEMAS)) if options.fresh else structured_cases(options.count)
    else:
        cases = fresh_cases(options.count) if options.fresh else [*make_cases(options.count), *seed_cases()]
    engine = Engine(options.model)
    for name, sampling in SAMPLING.items():
        print(name)
        run(engine, cases, sampling, options.failures)


if __name__ == "__main__":
    main()
