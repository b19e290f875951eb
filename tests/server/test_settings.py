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


@pytest.mark.parametrize("key", ["sk-1234", "a.b", "my key", "lower_case"])
def test_a_key_instead_of_a_name_is_an_error_that_does_not_contain_it(key):
    with pytest.raises(ValueError, match="NAME") as caught:
        CompletionsSettings(url=("http://x/v1",), upstream_key_env=key)

    assert key not in str(caught.value)
