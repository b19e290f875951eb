"""docs/engines.md agrees with the code."""

import re
from pathlib import Path

import pytest

from headrace.configuration import configure
from headrace.models.settings import ENGINES

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "engines.md").read_text()
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
