"""The public names: sorted, complete, and quick to import."""

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import zai


def modules():
    return ["zai", *(each.name for each in pkgutil.walk_packages(zai.__path__, "zai."))]


@pytest.mark.parametrize("name", modules())
def test_each_module_lists_its_public_names_sorted(name):
    module = importlib.import_module(name)
    public = getattr(module, "__all__", None)
    if name in ("zai.http", "zai.streaming", "zai.tools"):
        assert public is None
        return

    constants = [each for each in public if each.isupper()]
    dunders = [each for each in public if each.startswith("__")]
    classes = [each for each in public if each[0].isupper() and not each.isupper()]
    functions = [each for each in public if each[0].islower()]
    expected = [*sorted(constants), *sorted(classes), *dunders, *sorted(functions)]
    assert sorted(public) == sorted(expected)
    assert public == expected
    for each in public:
        assert hasattr(module, each)


def test_the_version_is_that_of_the_distribution():
    assert zai.__version__ == metadata.version("headrace-zai")


def test_dir_lists_exactly_the_public_names():
    assert sorted(zai.__all__) == sorted(dir(zai))


def test_an_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="module 'zai' has no attribute 'nothing'"):
        _ = zai.nothing


def test_star_import_imports_every_public_name():
    code = "from zai import *; import zai; assert all(name in globals() for name in zai.__all__)"

    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_class_has_a_docstring():
    for name in zai.__all__:
        value = getattr(zai, name)
        assert not isinstance(value, type) or value.__doc__


def test_the_sdk_imports_nothing_of_the_server():
    code = (
        "import sys, pkgutil, importlib, zai\n"
        "for each in pkgutil.walk_packages(zai.__path__, 'zai.'): importlib.import_module(each.name)\n"
        "print(sorted({name.partition('.')[2].partition('.')[0] for name in sys.modules if name.startswith('headrace.')}))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (
        done.stdout.strip() == "['errors', 'events', 'foreign_errors', 'http1', 'recording', 'sse', 'wire']"
    )


def imported_from(folder):
    """Return the warnings of an import of the package in a folder."""
    command = [sys.executable, "-c", "import zai; assert zai.ZaiClient.__module__ == 'zai._client'"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stderr


def test_an_import_beside_zai_sdk_warns_with_a_remedy(tmp_path):
    shutil.copytree(Path(zai.__file__).parent, tmp_path / "zai")
    alone = imported_from(tmp_path)
    (tmp_path / "zai" / "_version.py").touch()

    assert alone == ""
    assert "zai-sdk is installed beside headrace-zai" in imported_from(tmp_path)
    assert "uninstall both, then install headrace-zai again" in imported_from(tmp_path)
