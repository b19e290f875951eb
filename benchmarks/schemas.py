"""How many JSON Schemas can be enforced, how exactly, and at what cost: Headrace beside its peers.

    python benchmarks/schemas.py DIRECTORY … [--step N] [--xgrammar PYTHON]

A directory holds files of JSONSchemaBench's MaskBench (a schema with its instances) or of
JSON-Schema-Test-Suite (lists of them). Headrace is compared with llguidance alone, in the version that
llama.cpp contains, and with xgrammar, if PYTHON is the interpreter of an environment that has it:

    python -m venv xgrammar
    xgrammar/bin/pip install --no-deps xgrammar apache-tvm-ffi numpy pydantic pydantic-core \
        typing-extensions annotated-types typing-inspection

An instance is compact JSON. A valid one is kept if it is accepted as it stands, or with its properties in the
schema's order and 1.0 written as 1; the other systems also fix the order. One with a property that the schema
does not name counts apart: Headrace writes only those that it names, unless `additionalProperties` allows
others. Headrace is measured as with `strict`: a schema of which it would leave something unenforced counts as
refused. Each is compiled twice, and the shorter time counts: other programs use the machine as well.
"""

import argparse
import json
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import llguidance

from headrace.engines.protocols.grammar import schema_grammar
from headrace.engines.schemas.rewrite import SchemaRewriter
from headrace.engines.schemas.validator import GrammarValidator
from headrace.errors import RequestError

_XGRAMMAR = Path(__file__).with_name("schemas_xgrammar.py")
_LEFT_OUT = "format.json"  # JSON-Schema-Test-Suite's assertions that formats are not checked
_SLOW = 2.0  # seconds; what takes longer is not repeated
_TOKENIZER = llguidance.LLTokenizer("byte")
_VALIDATOR = GrammarValidator()


class Case(NamedTuple):
    """A schema, with instances and whether they are valid."""

    name: str
    schema: Any
    instances: list[tuple[Any, bool]]


class Answer(NamedTuple):
    """What a system makes of a case: an error, or which texts it accepts; and the seconds to compile."""

    error: str
    accepted: list[bool]
    seconds: float


System = Callable[[Any, list[str]], Answer]


def headrace(schema: Any, texts: list[str]) -> Answer:
    """Rewrite the schema, validate its grammar."""
    start = time.perf_counter()
    try:
        rewriter = SchemaRewriter(schema, "schema")
        grammar = schema_grammar(rewriter.rewrite(schema, "schema"))
    except RequestError as error:
        return Answer(error.message, [], time.perf_counter() - start)
    error = f"{rewriter.unenforced[0]} left out" if rewriter.unenforced else _VALIDATOR.error(grammar)
    seconds = time.perf_counter() - start
    return Answer(error, [] if error else [_accepts(grammar, text) for text in texts], seconds)


def llguidance_alone(schema: Any, texts: list[str]) -> Answer:
    """Give the schema to llguidance as it stands."""
    start = time.perf_counter()
    grammar = "%llguidance {}\nstart: %json " + json.dumps(schema)
    error = llguidance.LLMatcher(_TOKENIZER, grammar, log_level=0).get_error()
    seconds = time.perf_counter() - start
    return Answer(error, [] if error else [_accepts(grammar, text) for text in texts], seconds)


def xgrammar(python: str) -> System:
    """Return xgrammar, in a process of its own environment."""
    process = subprocess.Popen(
        [python, _XGRAMMAR],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it logs what it cannot do
        text=True,
    )

    def answer(schema: Any, texts: list[str]) -> Answer:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([schema, texts]) + "\n")
        process.stdin.flush()
        return Answer(*json.loads(process.stdout.readline()))

    return answer


def _accepts(grammar: str, text: str) -> bool:
    matcher = llguidance.LLMatcher(_TOKENIZER, grammar, log_level=0)
    tokens = list(text.encode())
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


def cases(directory: Path, step: int) -> Iterator[Case]:
    paths = sorted(path for path in directory.rglob("*.json") if path.name != _LEFT_OUT)
    for path in paths[::step]:
        found = json.loads(path.read_bytes())
        for group in found if isinstance(found, list) else [found]:
            instances = [(test["data"], test["valid"]) for test in group.get("tests", ())]
            yield Case(f"{path.name}: {group.get('description', '')}", group["schema"], instances)


def _in_order(value: Any, names: dict[str, int]) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_in_order(item, names) for item in value]
    if isinstance(value, dict):
        ordered = sorted(value, key=lambda name: names.get(name, len(names)))
        return {name: _in_order(value[name], names) for name in ordered}
    return value


def _names(schema: Any, names: dict[str, int]) -> dict[str, int]:
    """Number the names of properties in the order of the schema."""
    if isinstance(schema, dict):
        constants = [schema.get("const"), *(schema["enum"] if isinstance(schema.get("enum"), list) else ())]
        for part in (schema.get("properties"), *constants):
            for name in part if isinstance(part, dict) else ():
                names.setdefault(name, len(names))
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _names(part, names)
    return names


def _property_names(value: Any) -> set[str]:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = set(value) if isinstance(value, dict) else set()
    return own.union(*map(_property_names, parts))


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Tally:
    """The figures of one system."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.seconds: list[float] = []
        self.accepted = self.valid = self.kept = self.unnamed = self.invalid = self.passed = 0
        self.notes: list[str] = []

    def add(self, case: Case) -> None:
        names = _names(case.schema, {})
        texts = [
            text for value, _ in case.instances for text in (_text(value), _text(_in_order(value, names)))
        ]
        answer = self._system(case.schema, texts)
        again = self._system(case.schema, []).seconds if answer.seconds < _SLOW else answer.seconds
        self.seconds.append(min(answer.seconds, again))
        if answer.error:
            self.notes.append(f"refused  {case.name}: {answer.error[:160]!r}")
            return
        self.accepted += 1
        for (value, is_valid), *accepted in zip(
            case.instances, answer.accepted[::2], answer.accepted[1::2], strict=True
        ):
            if is_valid:
                self.valid += 1
                self.kept += any(accepted)
                self.unnamed += not any(accepted) and not _property_names(value) <= names.keys()
            else:
                self.invalid += 1
                self.passed += any(accepted)
            if any(accepted) != is_valid:
                self.notes.append(f"{'lost' if is_valid else 'passed'}  {case.name}: {_text(value)[:160]}")

    def row(self, name: str) -> str:
        seconds = sorted(self.seconds)
        p99 = seconds[int(len(seconds) * 0.99)]
        return (
            f"| {name} | {self.accepted} of {len(seconds)} | {self.kept} of {self.valid} | {self.unnamed}"
            f" | {self.passed} of {self.invalid} | {statistics.median(seconds) * 1e3:.1f} / {p99 * 1e3:.1f}"
            f" / {seconds[-1] * 1e3:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("directories", nargs="+", type=Path)
    parser.add_argument("--step", type=int, default=1, help="take every n-th file")
    parser.add_argument(
        "--xgrammar", metavar="PYTHON", help="the interpreter of an environment with xgrammar"
    )
    parser.add_argument("--notes", type=Path, help="write here what was refused, lost or passed, by system")
    arguments = parser.parse_args()
    systems: dict[str, System] = {"Headrace": headrace, "llguidance": llguidance_alone}
    if arguments.xgrammar:
        systems["xgrammar"] = xgrammar(arguments.xgrammar)
    for directory in arguments.directories:
        tallies = {name: Tally(system) for name, system in systems.items()}
        for case in cases(directory, arguments.step):
            for tally in tallies.values():
                tally.add(case)
        print(f"\n{directory}\n")
        print(
            "| system | accepted | valid kept | lost, with unnamed properties | invalid passed"
            " | ms: median / p99 / slowest |"
        )
        print("|---|---|---|---|---|---|")
        for name, tally in tallies.items():
            print(tally.row(name), flush=True)
            if arguments.notes:
                with arguments.notes.open("a") as file:
                    file.writelines(f"{name}: {note}\n" for note in tally.notes)
    _VALIDATOR.close()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\nThe validating process took at most {peak:.0f} MB.")


if __name__ == "__main__":
    main()
