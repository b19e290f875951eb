"""`make` creates its environment, recreates one that cannot be used, and reports what is missing."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/set_up.py"
NOTHING_NEW = "pip"  # installed in every environment, so nothing is downloaded


@pytest.fixture
def set_up():
    spec = importlib.util.spec_from_file_location("set_up", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def venv(set_up, tmp_path):
    """A directory that the script takes for an environment."""
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


def test_an_environment_is_created_once_and_prints_one_line(tmp_path):
    first, again = run(tmp_path / "venv", NOTHING_NEW), run(tmp_path / "venv", NOTHING_NEW)

    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("Setting up ")
    assert first.stdout.count("\n") == 1
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_an_environment_is_recreated_if_its_creation_was_interrupted(tmp_path):
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").symlink_to(sys.executable)

    assert run(tmp_path / "venv", NOTHING_NEW).returncode == 0
    assert subprocess.run([tmp_path / "venv/bin/python", "-m", "pip", "--version"], check=True)


def test_a_usable_environment_is_kept(set_up, venv):
    assert set_up.read_installed(venv) == [NOTHING_NEW]


def test_a_moved_environment_is_not_used(set_up, venv):
    assert set_up.read_installed(venv.rename(venv.with_name("elsewhere"))) is None


def test_an_environment_without_its_python_is_not_used(set_up, venv):
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to(venv / "nowhere")

    assert set_up.read_installed(venv) is None


@pytest.mark.parametrize(("name", "value"), [("PYTHON", "Python 3.99"), ("sys.base_prefix", "/opt/other")])
def test_an_environment_of_another_python_is_not_used(set_up, venv, monkeypatch, name, value):
    owner = sys if name.startswith("sys.") else set_up
    monkeypatch.setattr(owner, name.removeprefix("sys."), value)

    assert set_up.read_installed(venv) is None


def test_a_changed_dependency_is_installed(set_up, venv):
    assert not set_up.has_changed(venv)
    os.utime(set_up.record_of(venv), (0, 0))
    assert set_up.has_changed(venv)


def test_an_installation_error_is_shown_and_retried_the_next_time(tmp_path):
    for _ in range(2):
        failed = run(tmp_path / "venv", "./nowhere")

        assert failed.returncode == 1
        assert "nowhere" in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "status"), [((), 2), (("--help",), 0), (("-h",), 0), (("venv", "--help"), 0)]
)
def test_without_a_name_or_with_help_it_prints_the_usage_only(set_up, arguments, status):
    before = set(set_up.ROOT.iterdir())
    printed = run(*arguments)

    assert printed.returncode == status
    assert "python scripts/set_up.py VENV REQUIREMENT" in printed.stdout
    assert set(set_up.ROOT.iterdir()) == before


def test_an_option_in_place_of_the_name_is_rejected(set_up):
    rejected = run("--upgrade", NOTHING_NEW)

    assert rejected.returncode == 1
    assert "--upgrade is not the name of an environment" in rejected.stderr
    assert not (set_up.ROOT / "--upgrade").exists()


def test_an_old_python_is_rejected_before_anything_is_created(tmp_path):
    rejected = run(tmp_path / "venv", NOTHING_NEW, before="sys.version_info = (3, 9, 2)")

    assert rejected.returncode == 1
    assert "needs Python 3.11 or later" in rejected.stderr
    assert "is Python 3.9." in rejected.stderr
    assert "PYTHON=" in rejected.stderr
    assert not (tmp_path / "venv").exists()


def test_a_missing_ensurepip_is_reported_with_the_package_to_install(tmp_path):
    rejected = run(tmp_path / "venv", NOTHING_NEW, before="sys.modules['ensurepip'] = None")

    assert rejected.returncode == 1
    assert f"apt install python{sys.version_info.major}.{sys.version_info.minor}-venv" in rejected.stderr
    assert not (tmp_path / "venv").exists()
