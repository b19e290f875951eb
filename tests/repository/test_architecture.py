"""Limits of file and function length, exported names, and tests of every ending."""

import ast
import importlib
import pkgutil
import re
import statistics
from importlib.util import find_spec
from pathlib import Path

import pytest

import headrace

ROOT = Path(__file__).parents[2]
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))
MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(headrace.__path__, "headrace.")
    # `make ray` installs Ray in an environment of its own.
    if "__main__" not in info.name and (info.name != "headrace.scale.ray" or find_spec("ray"))
)


def test_files_are_short():
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCES}

    assert [path.name for path, length in lengths.items() if length > 400] == []
    assert statistics.median(lengths.values()) < 200


@pytest.fixture(scope="module")
def definitions():
    """Each class and function of the sources, with its path."""
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return [
        (path, node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds)
    ]


def test_functions_are_short(definitions):
    lengths = {
        (str(path), node.name): node.end_lineno - node.lineno + 1
        for path, node in definitions
        if not isinstance(node, ast.ClassDef)
    }

    assert {name: length for name, length in lengths.items() if length > 60} == {}


def test_every_documented_argument_exists(definitions):
    for path, node in definitions:
        _, _, section = (ast.get_docstring(node) or "").partition("Args:\n")
        documented = re.findall(r"^    (\w+):", section.partition("\n\n")[0], re.MULTILINE)
        names = {child.arg for child in ast.walk(node) if isinstance(child, ast.arg)}
        names |= {ast.unparse(child.target) for child in node.body if isinstance(child, ast.AnnAssign)}
        assert set(documented) <= names, (path, node.name)


def test_every_name_in_all_exists():
    for name in MODULES:
        module = importlib.import_module(name)
        missing = [word for word in getattr(module, "__all__", []) if not hasattr(module, word)]
        assert missing == [], name


def test_every_ending_in_the_architecture_has_a_test():
    named = re.findall(r"`(test_\w+)`", (ROOT / "ARCHITECTURE.md").read_text())
    tests = "".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))

    assert named
    assert [name for name in named if f"def {name}(" not in tests] == []
