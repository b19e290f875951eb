"""Names, options, messages and pages use the field's standard terms, not the private ones of earlier versions."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

RETIRED = re.compile(
    r"""
    \b(?:
      Catalogue | KeyRing | Clocks | Clocked | Answerer | Exchange | Signs      # classes, with capitals
    )\b
    | (?i:\b(?:
      tells_errors | is_whole | pass_on | store_patience | store_failure        # other names
    | remembrance | patience | guess\w*
    | house | deserted | abandon\w* | verdict | nobody | somebody | whoever | everybody
    | (?:is|are|was|be)[ ]told | see[ ]to[ ]it | as[ ]it[ ]comes? | goes?[ ]on | go-on | has[ ]left
    | said | (?<!['"])says? | saying | spoken | speaks?
    | what[ ]is[ ]none | that[ ]is[ ]none | whole[ ]answer
    )\b)
    | --(?:first-token|idle|total|names|template|max-tokens|key|keep-alive|max-body|to|every)(?![\w-])
    | --(?:remembrance|store-patience|store-failure)\b
    """,
    re.VERBOSE,
)

# Not checked: the history of measurements, quoted answers of the embedded model, and this list.
EXCEPT = {"docs/measurements.md", "packages/headrace-tiny/README.md", "tests/repository/test_vocabulary.py"}
PLACES = [
    "benchmarks",
    "docs",
    "examples",
    "packages/headrace",
    "packages/zai",
    "packages/headrace-tiny/src",
    "tests",
]
FILES = [
    file
    for file in sorted([*ROOT.glob("*"), *(file for place in PLACES for file in (ROOT / place).rglob("*"))])
    if (file.suffix in {".md", ".py", ".toml"} or file.name == "Makefile")
    and str(file.relative_to(ROOT)) not in EXCEPT
    and "build" not in file.parts
]


def retired_in(text):
    return [
        f"{number}: {found[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        for found in RETIRED.finditer(line)
    ]


def test_no_file_has_retired_words():
    found = {str(file.relative_to(ROOT)): retired_in(file.read_text("utf-8")) for file in FILES}

    assert {file: words for file, words in found.items() if words} == {}


@pytest.mark.parametrize("program", [[], ["serve"], ["chat"], ["record"], ["parse"]], ids=" ".join)
def test_the_help_of_a_program_has_no_retired_words(program):
    command = [sys.executable, "-m", "headrace", *program, "--help"]

    assert retired_in(subprocess.check_output(command, text=True)) == []


@pytest.mark.parametrize(
    "text", ["class KeyRing:", "--first-token 3", "--store-failure go-on", "See to it that"]
)
def test_a_retired_word_is_found(text):
    assert retired_in(text) != []


@pytest.mark.parametrize(
    "text", ["--first-token-timeout 3", "--idle-timeout", "--upstream-key-env", "--output-dir"]
)
def test_a_current_option_is_not_retired(text):
    assert retired_in(text) == []
