"""What can be compiled has nothing that mypyc changes silently."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "packages" / "headrace"


def compiled_modules():
    for node in ast.parse((PACKAGE / "setup.py").read_text()).body:
        match node:
            case ast.AnnAssign(target=ast.Name("_COMPILED"), value=ast.Constant(value=str(names))):
                return names.split()
    return []


@pytest.mark.parametrize("module", compiled_modules())
def test_no_class_has_keywords_which_would_be_dropped(module):
    """`frozen` and `tag` of a Struct, for example; a Struct without any may get some."""
    tree = ast.parse((PACKAGE / "src" / "headrace" / f"{module}.py").read_text())
    for definition in ast.walk(tree):
        if isinstance(definition, ast.ClassDef):
            bases = [ast.unparse(base) for base in definition.bases]
            assert not definition.keywords, definition.name
            assert not [base for base in bases if base.endswith("Struct")], definition.name


def test_the_path_of_a_chunk_is_among_them():
    modules = compiled_modules()
    assert {"engines/http/connection", "engines/upstream", "turns/log", "server/stream"} <= set(modules)
    assert sorted(set(modules)) == sorted(modules)
