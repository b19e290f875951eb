"""`headrace keys` as an operator uses it."""

import re

import pytest

from headrace.cli.main import main
from headrace.keys import MasterKey

MASTER = "0123456789abcdef" * 4


@pytest.fixture
def keys(tmp_path, monkeypatch, capsys):
    """Runs the command in a directory of its own; returns its exit status and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_MASTER_KEY", MASTER)
    monkeypatch.setenv("HEADRACE_STORE", f"sqlite:{tmp_path}/turns.db")

    def run(*arguments):
        try:
            status = main(["keys", *arguments])
        except SystemExit as exit:
            status = exit.code
        return status, *capsys.readouterr()

    return run


def create(keys, *options):
    status, out, _ = keys("create", "--name", "Team A", *options)
    assert status == 0
    return out.removesuffix("\n")


def row(keys, id):
    _, out, _ = keys("list")
    (line,) = (line for line in out.splitlines() if line.startswith(id))
    return re.split(" {2,}", line)


def test_create_prints_only_the_key_and_the_store_has_no_secret(keys, tmp_path):
    key = create(keys)
    id, _, secret = key.partition(".")

    assert re.fullmatch(r"[0-9a-f]{16}\.[\w-]{43}", key)
    assert secret == MasterKey(MASTER).secret_of(id)
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("turns.db*"))
    assert id.encode() in stored
    for hidden in (secret, MASTER):
        assert hidden[:8].encode() not in stored


def test_list_and_show_have_everything_but_the_secret(keys):
    options = [
        "--in-flight",
        "8",
        "--per-minute",
        "60",
        "--tokens-per-5h",
        "1000000",
        "--models",
        "glm-4.6, glm-5",
    ]
    key = create(keys, *options, "--expires", "90d", "--admin")
    id, _, secret = key.partition(".")
    _, shown, _ = keys("show", id)

    cells = row(keys, id)
    assert cells[:3] == [id, "Team A", "valid"]
    assert cells[5:] == ["8", "60", "1000000", "glm-4.6,glm-5", "yes"]
    assert [line.split(maxsplit=1)[1] for line in shown.splitlines()] == cells
    assert secret[:6] not in shown


def test_a_key_without_options_has_the_servers_limits_and_all_models(keys):
    id = create(keys).partition(".")[0]

    assert row(keys, id)[4:] == ["never", "default", "default", "default", "all", "no"]


def test_revoke_works_once_and_says_so_later(keys):
    id = create(keys).partition(".")[0]
    assert keys("revoke", id) == (0, "", f"headrace: the key {id} (Team A) is revoked\n")
    assert row(keys, id)[2] == "revoked"

    status, _, err = keys("revoke", id)
    assert status == 0
    assert "was revoked on " in err


def test_an_expired_key_is_shown_as_such(keys, monkeypatch):
    id = create(keys, "--expires", "1s").partition(".")[0]
    monkeypatch.setattr("time.time", lambda: 4e9)

    assert row(keys, id)[2] == "expired"


@pytest.mark.parametrize("action", ["show", "revoke"])
@pytest.mark.parametrize("id", ["unknown", "id.sekrit"])
def test_an_unknown_id_is_an_error_without_secrets(keys, action, id):
    status, out, err = keys(action, id)

    assert (status, out) == (1, "")
    assert err.endswith("`headrace keys list` shows the ids\n")
    assert "sekrit" not in err


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        *(
            ("--expires", value, "is not a duration such as 90d")
            for value in ("90", "d", "-1d", "0d", "90 d", "1y", "")
        ),
        *(
            ("--in-flight", value, "is not an integer above 0")
            for value in ("0", "-1", "1.5", "x", "9" * 16, "٣")
        ),
        *(("--models", value, "is not a list of names") for value in ("", ",", "a,,b", "a\nb")),
        *(("--name", value, "is not a name of 1 to 100") for value in ("", " ", "a\x1b[31m", "x" * 101)),
    ],
)
def test_a_wrong_value_is_named_and_creates_nothing(keys, option, value, problem):
    status, out, err = keys("create", "--name", "x", f"{option}={value}")

    assert (status, out) == (2, "")
    assert f"argument {option}: {value!r} {problem}" in err
    assert len(keys("list")[1].splitlines()) == 1


@pytest.mark.parametrize("master", ["", "too-short-a-secret"])
def test_a_missing_or_short_master_key_is_an_error_with_a_remedy(keys, monkeypatch, master):
    monkeypatch.setenv("HEADRACE_MASTER_KEY", master)
    status, out, err = keys("create", "--name", "x")

    assert (status, out) == (1, "")
    assert err.startswith("headrace: HEADRACE_MASTER_KEY")
    assert "openssl rand -hex 32" in err
    assert not master or master not in err
    assert keys("list")[0] == 0  # it needs no secrets


def test_a_memory_store_is_refused_with_the_remedy(keys, monkeypatch):
    monkeypatch.delenv("HEADRACE_STORE")
    status, _, err = keys("create", "--name", "x")

    assert status == 1
    assert "set HEADRACE_STORE to sqlite:FILE or the URL of a Redis" in err


def test_the_store_is_that_of_the_flag_the_variable_or_the_file(keys, tmp_path, monkeypatch):
    create(keys)
    create(keys, "--store", "sqlite:flag.db")
    monkeypatch.delenv("HEADRACE_STORE")
    (tmp_path / "headrace.toml").write_text('[turns]\nstore = "sqlite:file.db"\n')
    create(keys)
    (tmp_path / "other.toml").write_text('[turns]\nstore = "sqlite:other.db"\n')
    create(keys, "--config", "other.toml")

    assert {file.name for file in tmp_path.glob("*.db")} == {"turns.db", "flag.db", "file.db", "other.db"}


def test_an_unavailable_store_is_an_error(keys):
    status, _, err = keys("create", "--name", "x", "--store", "sqlite:missing/turns.db")

    assert status == 1
    assert err == "headrace: the turn store missing/turns.db is unavailable: unable to open database file\n"
