"""The options of every program: --help, docs/configuration.md, and errors of the command line."""

import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from headrace.cli.main import COMMANDS, main
from headrace.configuration.groups import OPTION_GROUPS
from headrace.engines import ScriptedEngine
from headrace.formats import FORMATS
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text()
ACTIONS = {"keys": ["create", "list", "show", "revoke"]}
OTHER_PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture
def help_of(capsys, monkeypatch):
    """The output of `--help`, of a program's actions if it has some, without line breaks in descriptions."""
    monkeypatch.setenv("COLUMNS", "2000")

    def help_of(program):
        parts = []
        for action in [[name] for name in ACTIONS.get(program, [])] or [[]]:
            with pytest.raises(SystemExit, match="0"):
                main([program, *action, "--help"])
            parts.append(capsys.readouterr().out.partition("\n\n"))
        usages, _, described = zip(*parts, strict=True)
        return "\n".join(usages) + "\n\n" + "\n".join(described)

    return help_of


def flags(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text))


def test_help_shows_each_option_with_its_value_and_default(help_of):
    shown = " ".join(help_of("serve").split())
    options = [option for group in OPTION_GROUPS.values() for option in group if "flag" in option.sources]

    assert len(options) > 25
    for option in options:
        assert f"{option.flag} {option.metavar} {option.description} (default: {option.default})" in shown


@pytest.mark.parametrize("program", [name for name in COMMANDS if name != "serve"])
def test_an_option_is_required_or_has_a_default(help_of, program):
    usage, _, described = help_of(program).partition("\n\n")
    for flag, text in re.findall(r"^  (--[a-z0-9-]+)(?: [A-Z]+)?\s+(.*)$", described, re.MULTILINE):
        assert ("(default: " in text) == any(f"{mark}{flag}" in usage for mark in ("[", "| "))


ALL_HELP = """
from contextlib import suppress
from headrace.cli.main import COMMANDS, main
for program in COMMANDS:
    with suppress(SystemExit):
        main([program, "--help"])
"""


def test_help_does_not_need_docstrings():
    def printed(*switches):
        return subprocess.check_output([sys.executable, *switches, "-c", ALL_HELP])

    assert printed("-OO") == printed() != b""


# --- docs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", COMMANDS)
def test_the_page_has_the_flags_of_a_program_and_no_others(help_of, program):
    (table,) = re.findall(rf"<!-- options: {program} -->\n(.*?)<!-- end", PAGE, re.DOTALL)
    rows = "\n".join(re.findall(r"`(--[a-z0-9-]+)[^|`]*` \|", table))

    assert flags(rows) == flags(help_of(program).partition("\n\n")[0])


@pytest.mark.parametrize("page", OTHER_PAGES, ids=lambda page: page.name)
def test_a_flag_in_an_example_exists(help_of, page):
    for program, rest in re.findall(rf"\bheadrace ({'|'.join(COMMANDS)})\b([^\n`#]*)", page.read_text()):
        assert flags(rest.partition(" -- ")[0]) - flags(help_of(program)) == set()


def test_the_flags_in_the_page_on_resuming_exist(help_of):
    assert flags((ROOT / "docs" / "resume.md").read_text()) - flags(help_of("serve")) == set()


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https?:)([^)#]+)", PAGE))
def test_every_link_has_a_target(path):
    assert (ROOT / "docs" / path).exists()


def test_health_needs_no_key():
    model = Model(("m",), ScriptedEngine(""), FORMATS["glm-4.6"], None)
    settings = Settings(api_keys=("id.secret",))
    with LocalServer(App(ModelRegistry([model]), settings)) as server:
        assert httpx2.get(f"{server.url}/health", trust_env=False).status_code == 200


# --- errors of the command line --------------------------------------------------------------------

NEEDED = {
    "bench": ["http://127.0.0.1:9"],
    "check": ["http://127.0.0.1:9"],
    "serve": [],
    "chat": [],
    "keys": ["show", "x"],
    "record": ["--output-dir", "x", "http://x/v1"],
    "parse": ["--format", "glm-4.6"],
}


@pytest.mark.parametrize(
    ("program", "wrong", "meant"),
    [
        ("serve", "--prot", "--port"),
        ("serve", "--por=1", "--port"),
        ("record", "--prot", "--port"),
        ("record", "--hos", "--host"),
        ("parse", "--no-thinkin", "--no-thinking"),
        ("parse", "--chunk-sise", "--chunk-size"),
        ("keys", "--stor", "--store"),
        ("chat", "--no-thinkin", "--no-thinking"),
    ],
)
def test_an_unknown_option_shows_the_usage_of_its_program_and_the_closest_option(
    capsys, program, wrong, meant
):
    with pytest.raises(SystemExit, match="2"):
        main([program, *NEEDED[program], wrong])
    shown = capsys.readouterr().err

    assert shown.startswith(f"usage: headrace {program} ")
    assert shown.endswith(f"unknown argument {wrong.partition('=')[0]}; did you mean {meant}?\n")


@pytest.mark.parametrize("program", COMMANDS)
def test_an_unexpected_argument_is_named(capsys, program):
    with pytest.raises(SystemExit, match="2"):
        main([program, *NEEDED[program], "superfluous"])

    assert capsys.readouterr().err.endswith("unknown argument superfluous\n")


@pytest.mark.parametrize(
    ("program", "option"),
    [
        ("serve", "--store"),
        ("serve", "--port"),
        ("keys", "--store"),
        ("check", "--model"),
        ("bench", "--prompts"),
    ],
)
def test_an_option_that_is_set_twice_is_an_error(program, option, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([program, *NEEDED[program], option, "1", f"{option}=1"])

    assert f"{option} is set twice" in capsys.readouterr().err
