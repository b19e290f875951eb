"""Renders chat templates in 42 conversations, and compares the prompts with those of transformers.

    python benchmarks/templates.py DIRECTORY … --transformers PYTHON [--all]

PYTHON is the interpreter of an environment that has transformers; torch is not needed:

    python -m venv transformers && transformers/bin/pip install transformers jinja2

A directory is searched for chat templates: `*.jinja`, GGUF files, JSON files with a `chat_template`, such as
`tokenizer_config.json`, and lines of such objects in `*.jsonl`. Equal ones are rendered once. Special tokens
that are not known are `<s>`, `</s>`, `<unk>` and `<pad>`.

Columns:

- same: byte for byte as transformers renders the messages as they were sent
- form: as transformers renders them in the form in which this template shows most of them, such as arguments
  as text, parts as one text, or another level of effort
- refused: neither renders them, or the template rejects them with the same sentence
- 1212: Headrace rejects tools and results, because the template shows results in no form
- wrong: any other difference; the first one is printed. With `--all`, also one of each other form
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from template_conversations import CONVERSATIONS, marks

from headrace.errors import EngineError, RequestError
from headrace.formats import Format
from headrace.models.detection import detect_format
from headrace.models.templates import TemplateSource, find_template
from headrace.prompts import ChatTemplate, render_request
from headrace.prompts.compilation import environment
from headrace.prompts.escaping import unescape
from headrace.wire import decode_request

_WORKER = Path(__file__).with_name("templates_transformers.py")
_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
_COLUMNS = ("same", "form", "refused", "1212", "wrong")
_SHOWN = 60  # characters of a difference, on each side


class Transformers:
    """The process that has transformers."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(_WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.environment = self._receive()

    def drops_results(self, source: TemplateSource) -> bool:
        """Return whether the template shows the result of a call in no form."""
        forms = self.render(source, CONVERSATIONS["a call, content empty"], forms=True)
        return not any("Track 7" in prompt for _, prompt, _ in forms)

    def render(self, source: TemplateSource, body: dict[str, Any], *, forms: bool) -> list[list[str]]:
        """Return `[form, prompt, error]` of each form."""
        template = source.with_tools if body.get("tools") and source.with_tools else source.text
        job = {"template": template, "tokens": source.tokens, "request": body, "forms": forms}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return self._receive()

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def find_templates(directory: Path) -> Iterator[tuple[str, TemplateSource]]:
    """Find the templates below a directory, by path."""
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        name = str(path.relative_to(directory))
        if path.suffix == ".jsonl":
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if text := json.loads(line).get("chat_template"):
                    yield f"{name}:{number}", TemplateSource(text)
        elif path.suffix in (".jinja", ".json", ".gguf"):
            try:
                yield name, find_template(str(path))
            except EngineError as error:
                print(f"skipped: {error.message}", file=sys.stderr)


def render(template: ChatTemplate, format: Format | None, body: dict[str, Any]) -> tuple[str, str, str]:
    """Return Headrace's prompt, or the code and the message of its error."""
    request = decode_request(json.dumps({"model": "m", **body}).encode())
    try:
        return unescape(render_request(template, request, format)), "", ""
    except RequestError as error:
        return "", error.code, error.message


def compare(
    reference: Transformers,
    source: TemplateSource,
    template: ChatTemplate,
    format: Format | None,
    body: dict[str, Any],
) -> tuple[str, str]:
    """Return the column of a conversation, and the form or the first difference."""
    expected = marks(body)
    prompt, code, error = render(template, format, body)
    [(_, as_sent, refusal)] = reference.render(source, body, forms=False)
    if prompt and prompt == as_sent and _found(prompt, expected) == len(expected):
        return "same", ""
    if refusal and error.endswith(f"rejects this: {refusal}"):
        return "refused", ""
    forms = [form[:2] for form in reference.render(source, body, forms=True) if not form[2]]
    if not forms:
        return ("wrong", "transformers refuses") if prompt else ("refused", "")
    found = [_found(text, expected) for _, text in forms]
    best = [form for form, number in zip(forms, found, strict=True) if number == max(found)]
    if error:
        return ("1212" if code == "1212" and reference.drops_results(source) else "wrong"), error
    for name, text in best:
        if text == prompt:
            return ("form", name) if name else ("same", "")
    name, text = best[0]
    return "wrong", f"{_difference(prompt, text)} ({name or 'as sent'})"


def _found(prompt: str, expected: list[tuple[str, ...]]) -> int:
    """Count what is in the prompt, as it is or within a JSON text."""
    return sum(any(_is_in(text, prompt) for text in texts) for texts in expected)


def _is_in(text: str, prompt: str) -> bool:
    as_json = (json.dumps(text, ensure_ascii=ascii)[1:-1] for ascii in (False, True))
    return text in prompt or any(encoded in prompt for encoded in as_json)


def _difference(one: str, other: str) -> str:
    pairs = enumerate(zip(one, other, strict=False))
    start = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
    begin = max(0, start - _SHOWN // 2)
    return f"at {start}: {one[begin : start + _SHOWN]!r}, transformers {other[begin : start + _SHOWN]!r}"


def check_environment(of_transformers: dict[str, list[str]]) -> None:
    """Print the names of transformers that templates cannot use here, and the other way round."""
    jinja = environment()
    tags = {tag for extension in jinja.iter_extensions() for tag in extension.tags}
    ours = {"filters": jinja.filters, "tests": jinja.tests, "globals": jinja.globals, "tags": tags}
    for kind, names in of_transformers.items():
        missing = sorted({*names} - {*ours[kind]})
        more = sorted(name for name in {*ours[kind]} - {*names} if "(" not in name)
        print(f"{kind}: {len(names)} in transformers; missing: {missing or 'none'}; more: {more or 'none'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIRECTORY")
    parser.add_argument("--transformers", required=True, metavar="PYTHON")
    parser.add_argument("--all", action="store_true", help="print forms, too")
    options = parser.parse_args()
    reference = Transformers(options.transformers)
    check_environment(reference.environment)
    total: Counter[str] = Counter()
    seen: set[str] = set()
    print("\n| template | " + " | ".join(_COLUMNS) + " |\n" + "|---" * (len(_COLUMNS) + 1) + "|")
    for directory in options.directories:
        for name, source in find_templates(directory):
            text = f"{source.text}\n{source.with_tools}"
            if text not in seen:
                seen.add(text)
                total += _report(reference, name, source, show_all=options.all)
    print(f"| {len(seen)} templates | " + " | ".join(str(total[column]) for column in _COLUMNS) + " |")


def _report(reference: Transformers, name: str, source: TemplateSource, *, show_all: bool) -> Counter[str]:
    known = TemplateSource(source.text, _TOKENS | (source.tokens or {}), with_tools=source.with_tools)
    try:
        template = known.compile(writes_bos=True)
    except EngineError as error:
        [(_, prompt, _)] = reference.render(known, CONVERSATIONS["a user"], forms=False)
        column = "wrong" if prompt else "refused"
        print(f"| {name} | {column}: {error.message} |")
        return Counter({column: len(CONVERSATIONS)})
    format = detect_format(template, "")
    results = {key: compare(reference, known, template, format, body) for key, body in CONVERSATIONS.items()}
    count = Counter(column for column, _ in results.values())
    print(f"| {name} | " + " | ".join(str(count[column]) for column in _COLUMNS) + " |", flush=True)
    shown: set[tuple[str, str]] = set()
    for key, result in results.items():
        if (result[0] == "wrong" or (show_all and result[1])) and result not in shown:
            shown.add(result)
            print(f"  {result[0]}, {key}: {result[1]}", flush=True)
    return count


if __name__ == "__main__":
    main()
