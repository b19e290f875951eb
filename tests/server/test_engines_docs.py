"""docs/engines.md agrees with the code."""

import re
from pathlib import Path

import pytest

from headrace.engines.protocols import DIALECTS
from headrace.models.settings import ENGINES
from headrace.server.configuration import configure

TEXT = (Path(__file__).parents[2] / "docs" / "engines.md").read_text()
TOML = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("text", TOML)
def test_the_configuration_is_accepted(text, tmp_path):
    path = tmp_path / "headrace.toml"
    path.write_text(text)
    configuration = configure({"config": str(path)}, {})

    assert [type(options.settings()) for options in configuration.models] == [
        ENGINES["completions"],
        ENGINES["chat"],
        ENGINES["llama"],
        ENGINES["recorded"],
    ]


def test_every_dialect_has_its_column():
    head = re.search(r"^\| \|(.*openai.*)\|$", TEXT, re.MULTILINE).group(1)

    assert re.findall(r"`([^`]+)`", head) == list(DIALECTS)
