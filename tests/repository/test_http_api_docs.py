"""docs/http-api.md has an example of every error."""

import re
from pathlib import Path

import pytest

from headrace.server.openapi_parts import ERRORS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "http-api.md").read_text("utf-8")
SOURCES = ROOT / "packages" / "headrace" / "src" / "headrace"
RAISED = {
    code
    for file in SOURCES.rglob("*.py")
    for code in re.findall(
        r'(?:code=|default_code = |^    [A-Z_]+ = )"(1\d{3})"', file.read_text("utf-8"), re.MULTILINE
    )
}
DEFECTS = {"1230"}
"""Codes that only a defect of the server causes."""


@pytest.mark.parametrize("status", ERRORS)
def test_every_status_of_the_interface_has_an_example(status):
    assert f"\nHTTP/1.1 {status}\n" in PAGE


def test_every_code_that_is_raised_has_an_example():
    assert {"1001", "1214", "1303"} <= RAISED
    assert set(re.findall(r'"code":"(\d+)"', PAGE)) >= RAISED - DEFECTS


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https?:)([^)#]+)", PAGE))
def test_every_link_has_a_target(path):
    assert (ROOT / "docs" / path).exists()
