import pytest

from headrace.configuration import configure
from headrace.configuration.settings import Settings
from headrace.errors import RequestError
from headrace.models.settings import CompletionsSettings
from headrace.turns import TurnSettings

MASTER = "m" * 32
SQLITE = TurnSettings(store="sqlite:turns.db")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_loopback_addresses_need_no_keys(host):
    assert Settings(host=host).api_keys == ()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_addresses_need_keys(host):
    with pytest.raises(RequestError, match="HEADRACE_API_KEYS"):
        Settings(host=host)

    assert Settings(host=host, api_keys=("a.b",)).host == host
    assert Settings(host=host, master_key=MASTER, turns=SQLITE).needs_keys


def test_a_master_key_needs_a_store_that_keeps_keys():
    with pytest.raises(RequestError, match="set HEADRACE_STORE to sqlite:FILE"):
        Settings(master_key=MASTER)


def test_a_short_master_key_is_an_error_that_does_not_contain_it():
    with pytest.raises(RequestError, match="at least 32") as caught:
        Settings(master_key="short-secret", turns=SQLITE)

    assert "short-secret" not in caught.value.message


@pytest.mark.parametrize("option", ["api_keys", "master_key"])
def test_keys_in_a_file_are_an_error_that_does_not_contain_them(tmp_path, option):
    file = tmp_path / "headrace.toml"
    file.write_text(f'[server]\n{option} = "id.secret"\n')
    with pytest.raises(RequestError, match=f"set HEADRACE_{option.upper()}") as caught:
        configure({"config": str(file)}, {})

    assert "id.secret" not in caught.value.message


@pytest.mark.parametrize("key", ["", ".", "x", "secretsecret", "id.", ".secretsecret"])
def test_a_key_without_an_id_or_a_secret_is_an_error_that_does_not_contain_it(key):
    with pytest.raises(RequestError, match="key 2 is not of the form id.secret") as caught:
        Settings(api_keys=("a.b", key))

    assert "secretsecret" not in caught.value.message


def test_two_keys_with_one_id_are_an_error_that_contains_no_secret():
    with pytest.raises(RequestError, match="two keys have the id a;") as caught:
        Settings(api_keys=("a.first", "b.second", "a.third"))

    assert not {"first", "second", "third"} & set(caught.value.message.replace(".", " ").split())


@pytest.mark.parametrize("key", ["sk-1234", "a.b", "my key", "lower_case"])
def test_a_key_instead_of_a_name_is_an_error_that_does_not_contain_it(key):
    with pytest.raises(ValueError, match="NAME") as caught:
        CompletionsSettings(url=("http://x/v1",), upstream_key_env=key)

    assert key not in str(caught.value)
