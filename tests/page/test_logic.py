"""The page's modules: Node runs the tests of what needs no browser, and the files are as they should be."""

import re
from pathlib import Path

import pytest

from client_programs import NODE, run

HERE = Path(__file__).parent
WEB = HERE.parents[1] / "packages/headrace/src/headrace/web"
OURS = [*WEB.glob("page/*.js"), *WEB.glob("markdown/*.js")]


def test_the_logic_of_the_page():
    run([NODE, "--test", *sorted((HERE / "logic").glob("*.test.mjs"))])


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_module_is_short_imports_what_exists_and_parses_no_html(path):
    source = path.read_text("utf-8")

    assert len(source.splitlines()) < 320
    for name in re.findall(r'(?:from|import\() ?"(\.[^"]+)"', source):
        assert (path.parent / name).exists(), name
    assert (
        re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function", source
        )
        == []
    )


def test_both_languages_have_every_text_and_every_text_is_used():
    texts = re.findall(
        r'^  (\w+): \[\s*"(.*?)",\s*"(.*?)",?\s*\],', (WEB / "page/texts.js").read_text("utf-8"), re.MULTILINE
    )
    used = "".join(path.read_text("utf-8") for path in OURS)

    assert len(texts) > 90
    for name, english, chinese in texts:
        assert re.findall(r"\{\w+\}", english) == re.findall(r"\{\w+\}", chinese), name
        assert re.search(rf'"{name}"', used), name


def test_what_the_page_took_from_others_has_its_licence_and_version():
    described = (WEB / "vendor/README.md").read_text("utf-8")
    folders = [path for path in (WEB / "vendor").iterdir() if path.is_dir()]

    for folder in folders:
        assert (folder / "LICENSE").exists()
        assert f"`{folder.name}/`" in described
    assert "Highlight.js v11.12.0" in (WEB / "vendor/highlight/core.js").read_text("utf-8")
    assert (
        'version: "0.13.5"' in (text := (WEB / "vendor/temml/temml.js").read_text("utf-8"))
        or "0.13.5" in text
    )
