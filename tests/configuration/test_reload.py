"""What a running server takes from a new configuration, and what it reports."""

import logging

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.configuration import configure
from headrace.configuration.reload import LiveConfiguration, merge
from headrace.configuration.settings import Settings
from headrace.errors import RequestError
from headrace.limits import LimitSettings
from headrace.options import options_of

OTHER_VALUES = {
    "host": "::1",
    "port": 1,
    "unix_socket": "server.sock",
    "workers": 2,
    "api_keys_file": "other.txt",
    "keep_alive_interval": 1.5,
    "max_body_size": 1,
    "request_timeout": 1.5,
    "connection_idle_timeout": 1.5,
    "max_connections": 1,
    "max_connections_per_address": 1,
    "max_head_size": 2048,
    "max_header_fields": 1,
    "max_waiting_bodies": 1,
    "allowed_hosts": ("a.example",),
    "cors_origin": ("https://a.example",),
    "claude_models": ("a=b",),
    "drain_delay": 1.5,
    "shutdown_timeout": 1.5,
    **dict.fromkeys(options_of(LimitSettings), 7),
}
"""Values that differ from the defaults."""


def configured(path, text="", environment=None):
    path.write_text(text)
    return configure({"config": str(path)}, environment or {})


def table(values):
    limits = options_of(LimitSettings)
    lines = {"[server]": [], "[limits]": []}
    for name, value in values.items():
        shown = f'"{",".join(value)}"' if isinstance(value, tuple) else repr(value).replace("'", '"')
        lines["[limits]" if name in limits else "[server]"].append(f"{name} = {shown}\n")
    return "".join(head + "\n" + "".join(body) for head, body in lines.items())


@given(st.sets(st.sampled_from(sorted(OTHER_VALUES.keys() - {"unix_socket", "api_keys_file"}))))
def test_exactly_the_options_that_reload_are_replaced_and_every_other_is_reported(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("reload") / "headrace.toml"
    old = configured(path)
    new = configured(path, table({name: OTHER_VALUES[name] for name in names}))
    merged = merge(old, new)

    options = options_of(Settings) | options_of(LimitSettings)
    for name in names:
        holder = merged.settings.limits if name in options_of(LimitSettings) else merged.settings
        default = getattr(old.settings.limits if holder is merged.settings.limits else old.settings, name)
        assert getattr(holder, name) == (OTHER_VALUES[name] if options[name].reloads else default)
    assert set(merged.restart) == {name for name in names if not options[name].reloads}
    assert len(merged.changes) == len([name for name in names if options[name].reloads])


def test_every_option_of_a_running_server_can_be_changed_or_is_reported(tmp_path):
    tested = {*OTHER_VALUES, "tls_cert", "tls_key", "api_keys", "master_key"}

    assert tested == {*options_of(Settings), *options_of(LimitSettings)}


def test_changes_of_turns_and_models_need_a_restart(tmp_path):
    old = configured(
        tmp_path / "a.toml", '[models.a]\nengine = "llama"\nslots = 2\n[models.b]\nengine = "llama"\n'
    )
    new = configured(
        tmp_path / "b.toml",
        '[turns]\nlease = 9\n[models.a]\nengine = "llama"\nslots = 3\n[models.c]\nengine = "llama"\n',
    )
    merged = merge(old, new)

    assert merged.settings == old.settings
    assert sorted(merged.restart) == ["[models.a] slots", "[models.b]", "[models.c]", "lease"]


def test_no_key_is_in_a_description(tmp_path):
    old = configured(tmp_path / "a.toml", "", {"HEADRACE_API_KEYS": "a.secret,b.secret"})
    new = configured(tmp_path / "b.toml", "", {"HEADRACE_API_KEYS": "b.secret,c.secret,d.secret"})

    assert merge(old, new).changes == ["API keys: 2 added, 1 removed"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[server]\nkeep_alive_interval = 0\n", "keep_alive_interval is 0"),
        ('[server]\ntls_cert = "missing.pem"\n', "tls_cert: cannot read the file"),
        ('[server]\napi_keys_file = "missing.txt"\n', "api_keys_file: cannot read the API keys"),
        ("[servers]\n", "unknown table"),
    ],
)
def test_an_invalid_configuration_changes_nothing(tmp_path, caplog, text, reason):
    path = tmp_path / "headrace.toml"
    path.write_text("[server]\nkeep_alive_interval = 2\n")
    live = LiveConfiguration(lambda: configure({"config": str(path)}, {}))
    before = live.value
    path.write_text(text)
    with caplog.at_level(logging.WARNING):
        assert live.reload() == before.settings

    assert live.value == before
    (record,) = caplog.records
    assert "the configuration remains as it was" in record.getMessage()
    assert reason in record.getMessage()


def test_without_keys_a_server_on_all_addresses_keeps_its_keys(tmp_path, caplog):
    keys, path = tmp_path / "keys.txt", tmp_path / "headrace.toml"
    keys.write_text("a.b\n")
    path.write_text('[server]\nhost = "0.0.0.0"\napi_keys_file = "keys.txt"\n')
    live = LiveConfiguration(lambda: configure({"config": str(path)}, {}))
    path.write_text("")

    assert live.reload().api_keys == ("a.b",)
    assert "0.0.0.0 is not a loopback address" in caplog.text


@pytest.mark.parametrize("text", ["", "# nothing\n\n"])
def test_a_file_without_a_key_is_an_error(tmp_path, text):
    (tmp_path / "keys.txt").write_text(text)
    with pytest.raises(RequestError, match="api_keys_file: .*contains no key; write one as id.secret"):
        configured(tmp_path / "headrace.toml", '[server]\napi_keys_file = "keys.txt"\n')


@pytest.mark.parametrize("is_on", [True, False])
def test_a_running_server_cannot_change_between_http_and_https(tmp_path, is_on):
    http = configured(tmp_path / "headrace.toml")
    https = msgspec.structs.replace(http, settings=msgspec.structs.replace(http.settings, tls_cert="a.pem"))
    with pytest.raises(RequestError, match="restart the server to change between HTTP and HTTPS"):
        merge(*((https, http) if is_on else (http, https)))


def test_a_key_needs_its_certificate(tmp_path):
    with pytest.raises(RequestError, match=r"\[server\]: tls_key: --tls-cert is missing"):
        configured(tmp_path / "headrace.toml", '[server]\ntls_key = "a.key"\n')
