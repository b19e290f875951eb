"""docs/engines.md agrees with the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.server.configuration import ENGINES, configure

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "engines.md").read_text()
TOML = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
FLAGS = sorted(set(re.findall(r"headrace serve[^\n]*", TEXT)))


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


@pytest.mark.parametrize("engine", ENGINES)
def test_every_option_of_every_engine_is_in_the_table(engine):
    table = TEXT.partition("| option |")[2].partition("\n\n")[0]

    assert [name for name in ENGINES[engine].__struct_fields__ if f"`{name}`" not in table] == []


def test_the_table_of_dialects_is_drawn_from_the_code():
    subprocess.run([sys.executable, DOCS / "draw_dialects.py", "--check"], check=True)


@pytest.mark.parametrize("line", FLAGS)
def test_every_flag_of_an_example_exists(line, capsys):
    from headrace.cli.main import main

    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    known = capsys.readouterr().out

    assert [flag for flag in re.findall(r"--[a-z-]+", line.partition("#")[0]) if flag not in known] == []
