"""The metadata, READMEs and extras of the three distributions."""

import re
import tomllib
from pathlib import Path

import pytest

import headrace
import zai

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(ROOT.glob("packages/*"))
PROJECTS = {path.name: tomllib.loads((path / "pyproject.toml").read_text())["project"] for path in PACKAGES}
EXTRAS = PROJECTS["headrace"]["optional-dependencies"]
each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)


@each_package
def test_each_carries_the_licence(package):
    project = PROJECTS[package.name]

    assert (package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])


@each_package
def test_each_has_metadata(package):
    project = PROJECTS[package.name]

    assert project["authors"] == [{"name": "The Headrace authors"}]
    assert project["keywords"] == sorted(project["keywords"])
    assert "Typing :: Typed" in project["classifiers"]
    assert not [each for each in project["classifiers"] if each.startswith("License ::")]  # PEP 639
    assert next(package.glob("src/*/py.typed")).exists()


def test_all_have_one_version():
    assert {project["version"] for project in PROJECTS.values()} == {headrace.__version__, zai.__version__}
    pins = re.findall(r"'(headrace[-\w]*)==([\d.]+)'", str(PROJECTS))
    assert sorted(pins) == [("headrace", headrace.__version__), ("headrace-tiny", headrace.__version__)]


@each_package
def test_the_readme_of_a_package_has_no_relative_links(package):
    assert re.findall(r"\]\((?!https?:|#)", (package / "README.md").read_text()) == []


@pytest.mark.parametrize("text", ["docs/install.md", "packages/headrace/README.md"])
def test_every_extra_is_described(text):
    described = re.findall(r"^\| `(\w+)` \|", (ROOT / text).read_text(), re.MULTILINE)

    assert sorted(described) == sorted(EXTRAS)


def test_every_extra_in_a_message_exists():
    sources = "".join(path.read_text() for path in ROOT.glob("packages/headrace/src/**/*.py"))
    named = re.findall(r'(?:needs_extra\(|_Command\(".*", )"([\w,]+)"', sources)

    assert {extra for names in named for extra in names.split(",")} == set(EXTRAS) - {"all", "prompts"}


@pytest.mark.parametrize("path", [*ROOT.glob("docs/*.md"), ROOT / "README.md"], ids=lambda path: path.name)
def test_no_page_installs_headrace_from_an_index(path):
    installed = re.findall(r"pip install (.*)", path.read_text())

    assert [line for line in installed if re.search(r"(^|[\s'\"])headrace", line)] == []
