"""`make` sets up its environment by itself, again if it must, and says what is missing."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/set_up.py"
NOTHING_NEW = "pip"  # is there in every environment, so nothing is downloaded


@pytest.fixture
def set_up():
    spec = importlib.util.spec_from_file_location("set_up", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def venv(set_up, tmp_path):
    """What an environment looks like to the script."""
    directory = tmp_path / "venv"
    (directory / "bin").mkdir(parents=True)
    (directory / "bin/python").touch()
    set_up.write_installed(directory, NOTHING_NEW)
    return directory


def run(*arguments, before="pass"):
    program = f"import runpy, sys; {before}; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )


def test_an_environment_is_created_with_one_line_and_the_next_time_nothing_happens(tmp_path):
    first, again = run(tmp_path / "venv", NOTHING_NEW), run(tmp_path / "venv", NOTHING_NEW)

    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("Setting up ")
    assert first.stdout.count("\n") == 1
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_one_whose_creation_was_interrupted_is_created_again(tmp_path):
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").symlink_to(sys.executable)

    assert run(tmp_path / "venv", NOTHING_NEW).returncode == 0
    assert subprocess.run([tmp_path / "venv/bin/python", "-m", "pip", "--version"], check=True)


def test_one_that_fits_is_used(set_up, venv):
    assert set_up.read_installed(venv) == [NOTHING_NEW]


def test_one_that_was_moved_is_not(set_up, venv):
    assert set_up.read_installed(venv.rename(venv.with_name("elsewhere"))) is None


def test_one_whose_python_is_gone_is_not(set_up, venv):
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to(venv / "nowhere")

    assert set_up.read_installed(venv) is None


@pytest.mark.parametrize(("name", "value"), [("PYTHON", "Python 3.99"), ("sys.base_prefix", "/opt/other")])
def test_one_of_another_python_is_not(set_up, venv, monkeypatch, name, value):
    owner = sys if name.startswith("sys.") else set_up
    monkeypatch.setattr(owner, name.removeprefix("sys."), value)

    assert set_up.read_installed(venv) is None


def test_a_changed_dependency_is_installed(set_up, venv):
    assert not set_up.has_changed(venv)
    os.utime(set_up.record_of(venv), (0, 0))
    assert set_up.has_changed(venv)


def test_what_failed_is_shown_and_tried_again(tmp_path):
    for _ in range(2):
        failed = run(tmp_path / "venv", "./nowhere")

        assert failed.returncode == 1
        assert "nowhere" in failed.stderr


def test_an_old_python_is_refused_before_anything_is_created(tmp_path):
    refused = run(tmp_path / "venv", NOTHING_NEW, before="sys.version_info = (3, 9, 2)")

    assert refused.returncode == 1
    assert "needs Python 3.11 or later" in refused.stderr
    assert "is Python 3.9." in refused.stderr
    assert "PYTHON=" in refused.stderr
    assert not (tmp_path / "venv").exists()


def test_a_system_without_ensurepip_is_told_which_package_has_it(tmp_path):
    refused = run(tmp_path / "venv", NOTHING_NEW, before="sys.modules['ensurepip'] = None")

    assert refused.returncode == 1
    assert f"apt install python{sys.version_info.major}.{sys.version_info.minor}-venv" in refused.stderr
    assert not (tmp_path / "venv").exists()
