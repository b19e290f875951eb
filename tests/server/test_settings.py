import pytest

from headrace.errors import RequestError
from headrace.models.settings import CompletionsSettings
from headrace.server.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_loopback_addresses_need_no_keys(host):
    assert Settings(host=host).api_keys == ()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_addresses_need_keys(host):
    with pytest.raises(RequestError, match="HEADRACE_API_KEYS"):
        Settings(host=host)

    assert Settings(host=host, api_keys=("a.b",)).host == host


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
