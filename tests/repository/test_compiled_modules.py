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


def tree_of(module):
    return ast.parse((PACKAGE / "src" / "headrace" / f"{module}.py").read_text())


@pytest.mark.parametrize("module", compiled_modules())
def test_no_class_has_keywords_which_would_be_dropped(module):
    """`frozen` and `tag` of a Struct, for example; a Struct without any may get some."""
    for definition in ast.walk(tree_of(module)):
        if isinstance(definition, ast.ClassDef):
            bases = [ast.unparse(base) for base in definition.bases]
            assert not definition.keywords, definition.name
            assert not [base for base in bases if base.endswith("Struct")], definition.name


@pytest.mark.parametrize("module", compiled_modules())
def test_no_method_has_a_second_name_and_no_pattern_names_a_mapping(module):
    for node in ast.walk(tree_of(module)):
        match node:
            case ast.ClassDef():
                methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
                assigned = [each.value for each in node.body if isinstance(each, ast.Assign)]
                assert not [
                    value for value in assigned if isinstance(value, ast.Name) and value.id in methods
                ]
            case ast.MatchAs(pattern=ast.MatchMapping()):
                pytest.fail(ast.unparse(node))


def test_the_path_of_a_chunk_is_among_them():
    modules = compiled_modules()
    assert {"engines/http/connection", "engines/upstream", "turns/log", "server/stream"} <= set(modules)
    assert sorted(set(modules)) == sorted(modules)
