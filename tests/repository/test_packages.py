"""The metadata, READMEs and extras of the three distributions for Python, and of the one for npm."""

import json
import re
import tomllib
from pathlib import Path

import pytest

import headrace
import zai

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
NPM = ROOT / "packages/headrace-js"
PROJECTS = {path.name: tomllib.loads((path / "pyproject.toml").read_text())["project"] for path in PACKAGES}
EXTRAS = PROJECTS["headrace"]["optional-dependencies"]
each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)


@each_package
def test_each_carries_the_licence(package):
    project = PROJECTS[package.name]

    assert (package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])


def test_the_npm_package_has_its_version_licence_and_files():
    package = json.loads((NPM / "package.json").read_text())
    names = {"LICENSE", "README.md", "package.json", "headrace.js", "headrace.d.ts", "headrace", "tests"}

    assert (package["version"], package["license"]) == (headrace.__version__, "Apache-2.0")
    assert (NPM / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert {name.strip("/") for name in package["files"]} == names - {
        "LICENSE",
        "README.md",
        "package.json",
        "tests",
    }
    assert {path.name for path in NPM.iterdir()} - {"node_modules"} == names


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
    assert sorted(pins) == [
        (name, headrace.__version__) for name in ("headrace", "headrace-tiny", "headrace-zai")
    ]


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

    assert {extra for names in named for extra in names.split(",")} == set(EXTRAS) - {"all", "prompts", "ray"}


@pytest.mark.parametrize("path", [*ROOT.glob("docs/*.md"), ROOT / "README.md"], ids=lambda path: path.name)
def test_no_page_installs_headrace_from_an_index(path):
    installed = re.findall(r"pip install (.*)", path.read_text())

    assert [line for line in installed if re.search(r"(^|[\s'\"])headrace", line)] == []
