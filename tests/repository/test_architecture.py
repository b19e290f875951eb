"""Limits of file and function length, exported names, and tests of every ending."""

import ast
import importlib
import pkgutil
import re
import statistics
from pathlib import Path

import pytest

import headrace

ROOT = Path(__file__).parents[2]
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))
MODULES = sorted(
    info.name for info in pkgutil.walk_packages(headrace.__path__, "headrace.") if "__main__" not in info.name
)


def test_files_are_short():
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCES}

    assert [path.name for path, length in lengths.items() if length > 400] == []
    assert statistics.median(lengths.values()) < 200


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-3:]))
def test_functions_are_short(path):
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert [f.name for f in functions if f.end_lineno - f.lineno >= 60] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-3:]))
def test_every_documented_argument_exists(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        _, _, section = (ast.get_docstring(node) or "").partition("Args:\n")
        documented = re.findall(r"^    (\w+):", section.partition("\n\n")[0], re.MULTILINE)
        names = {child.arg for child in ast.walk(node) if isinstance(child, ast.arg)}
        names |= {ast.unparse(child.target) for child in node.body if isinstance(child, ast.AnnAssign)}
        assert set(documented) <= names, node.name


@pytest.mark.parametrize("name", MODULES)
def test_every_name_in_all_exists(name):
    if name == "headrace.scale.ray":
        pytest.importorskip("ray", reason="`make ray` installs Ray in an environment of its own")
    module = importlib.import_module(name)

    assert [word for word in getattr(module, "__all__", []) if not hasattr(module, word)] == []


def test_every_ending_in_the_architecture_has_a_test():
    named = re.findall(r"`(test_\w+)`", (ROOT / "ARCHITECTURE.md").read_text())
    tests = "".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))

    assert named
    assert [name for name in named if f"def {name}(" not in tests] == []
