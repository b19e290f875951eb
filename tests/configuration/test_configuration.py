"""Flags override environment variables, these headrace.toml, and this the defaults; errors name the place."""

import pytest

from headrace.configuration import configure
from headrace.engines.protocols import DIALECTS
from headrace.errors import RequestError
from headrace.models.names import ZAI_NAMES
from headrace.models.settings import ChatSettings, CompletionsSettings, LlamaSettings

WHOLE = """
[server]
port = 9000
keep_alive_interval = 5

[turns]
linger = 7.5

[models."glm-4.6"]
engine = "completions"
url = ["http://gpu1:8000/v1", "http://gpu2:8000/v1"]
upstream_model = "zai-org/GLM-4.6"
upstream_key_env = "VLLM_KEY"
dialect = "vllm"
chat_template = "templates/glm.jinja"
aliases = ["glm"]
first_token_timeout = 60

[models.air]
engine = "chat"
url = "https://api.z.ai/api/paas/v4"
dialect = "zai"
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read the configuration, with `text` as headrace.toml in the working directory."""
    monkeypatch.chdir(tmp_path)

    def read(text="", environment=(), **flags):
        if text:
            (tmp_path / "headrace.toml").write_text(text)
        return configure(flags, dict(environment))

    return read


def test_a_file_can_set_every_option(read):
    configuration = read(WHOLE)
    glm, air = (options.settings() for options in configuration.models)

    assert [options.name for options in configuration.models] == ["glm-4.6", "air"]
    assert (configuration.settings.port, configuration.settings.keep_alive_interval) == (9000, 5)
    assert configuration.settings.turns.linger == 7.5
    assert isinstance(glm, CompletionsSettings)
    assert glm.url == ("http://gpu1:8000/v1", "http://gpu2:8000/v1")
    assert (glm.upstream_key_env, glm.dialect, glm.aliases, glm.first_token_timeout) == (
        "VLLM_KEY",
        "vllm",
        ("glm",),
        60,
    )
    assert isinstance(air, ChatSettings)
    assert air.url == ("https://api.z.ai/api/paas/v4",)


def test_paths_are_relative_to_the_file_and_inline_templates_are_not_paths(read, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "my.toml").write_text(
        WHOLE.replace("[models.air]", '[models.local]\nengine = "llama"\npath = "m.gguf"\n[models.air]')
    )
    configuration = read(config=str(tmp_path / "etc" / "my.toml"))
    inline = read(WHOLE.replace("templates/glm.jinja", "{{ messages }}"))

    assert configuration.models[0].settings().chat_template == str(
        tmp_path / "etc" / "templates" / "glm.jinja"
    )
    assert configuration.models[1].settings().path == tmp_path / "etc" / "m.gguf"
    assert inline.models[0].settings().chat_template == "{{ messages }}"


def test_a_flag_overrides_a_variable_and_a_variable_the_file(read):
    environment = {"HEADRACE_PORT": "1", "HEADRACE_KEEP_ALIVE_INTERVAL": "2.5", "HEADRACE_LINGER": "3"}
    settings = read(WHOLE, environment, port="7").settings

    assert (settings.port, settings.keep_alive_interval, settings.turns.linger) == (7, 2.5, 3)


def test_a_variable_for_models_applies_to_each_model_that_has_the_option(read):
    models = read(WHOLE, {"HEADRACE_IDLE_TIMEOUT": "9", "HEADRACE_DEFAULT_MAX_TOKENS": "5"}).models
    glm, air = (options.settings() for options in models)

    assert (glm.idle_timeout, air.idle_timeout) == (9, 9)
    assert glm.default_max_tokens == 5


def test_the_default_is_the_embedded_model(read):
    configuration = read(environment={"HEADRACE_SLOTS": "2", "HEADRACE_API_KEYS": "a.b, c.d"})
    (options,) = configuration.models

    assert configuration.settings.api_keys == ("a.b", "c.d")
    assert options.settings() == LlamaSettings(slots=2)


@pytest.mark.parametrize("value", [",", ",,,", " , "])
def test_a_list_of_nothing_but_commas_is_an_error(read, value):
    with pytest.raises(RequestError, match="HEADRACE_API_KEYS: .* contains only commas"):
        read(environment={"HEADRACE_API_KEYS": value})


def test_a_model_file_gets_zais_names(read):
    (options,) = read(model="/models/My-GLM.gguf", threads="8").models
    settings = options.settings()

    assert options.name == "my-glm"
    assert (str(settings.path), settings.threads) == ("/models/My-GLM.gguf", 8)
    assert "glm-4.6" in settings.aliases


def test_aliases_are_added_to_the_names_of_a_model_file(read):
    (options,) = read(model="/models/My-GLM.gguf", aliases="mine, *").models

    assert options.settings().aliases == ("mine", "*", *ZAI_NAMES)


def test_a_model_on_the_command_line_replaces_the_models_of_the_file(read):
    (options,) = read(WHOLE, upstream="http://x:1/v1,http://y:1/v1").models

    assert options.settings(ChatSettings).url == ("http://x:1/v1", "http://y:1/v1")
    assert options.name == ""


ERRORS = [
    ("[server]\nport = 'high'", ["headrace.toml: [server]", "port is 'high'", "int"]),
    ("[server]\nporte = 1", ["[server]", "porte", "did you mean port?"]),
    ("[serve]\nport = 1", ["[serve]", "did you mean server?"]),
    ("[server]\napi_keys = ['a.b']", ["api_keys", "HEADRACE_API_KEYS"]),
    ("[turns]\nlinger = 'long'", ["[turns]", "linger is 'long'"]),
    ("[turns]\nlinger = -1", ["[turns]", "linger is -1", "0"]),
    ("[turns]\nlease = 0", ["[turns]", "lease is 0", "0.1"]),
    ("[turns]\nstore_size = 0", ["[turns]", "store_size is 0", "1"]),
    ("server = 1", ["server is 1", "must be a table"]),
    ("[models]\nglm = 1", ["models.glm is 1", '[models."glm"]']),
    ("[server\nport=1", ["not valid TOML", "line 1"]),
    (f"a = {'[' * 5000}{']' * 5000}", ["not valid TOML", "nested too deeply"]),
    (f"a = {'{b = ' * 5000}1{'}' * 5000}", ["not valid TOML", "nested too deeply"]),
    (f"[server]\nport = {'9' * 5000}", ["not valid TOML", "too many digits"]),
    ('[models.m]\nengine = "magic"', ['[models."m"]', "engine is 'magic'", "llama, completions, chat, recorded"]),
    ('[models.m]\nengine = ["llama"]', ['[models."m"]', "engine is ['llama']", "llama, completions"]),
    ('[models.glm-4.6]\nengine = "llama"', ["[models.glm-4.6]", "quotes", '[models."glm-4.6"]']),
    ('[models.m]\nengine = "llama"\n[models.o]\naliases = ["M"]', ['[models."o"]', "name M", '[models."m"]', "remove it"]),
    ('[models.m]\nengine = "chat"', ['[models."m"]', "url is missing", "http://gpu1:8000/v1"]),
    ('[models.m]\nengine = "chat"\nurl = "u"\nslots = 3', ["unknown option slots"]),
    ('[models.m]\nengine = "llama"\nslots = "many"', ['[models."m"]', "slots is 'many'", "concurrent generations"]),
    ('[models.m]\nengine = "chat"\nurl = "u"\ndialect = "vlm"', ["dialect is 'vlm'", f"{{{','.join(DIALECTS)}}}"]),
    ('[models.m]\nengine = "chat"\nurl = "u"\nupstream_key_env = "sk-1.2"', ["upstream_key_env must be the NAME"]),
    ('[models.m]\nengine = "recorded"', ["path is missing", "directory of recordings"]),
    ("[server]\nport = 99999", ["port is 99999", "65535"]),
    ("[server]\nkeep_alive_interval = 0", ["keep_alive_interval is 0", "SECONDS: how long"]),
    ("[server]\nkeep_alive_interval = inf", ["keep_alive_interval is inf"]),
    ("[server]\nshutdown_timeout = -1", ["shutdown_timeout is -1"]),
    ('[models.m]\nengine = "llama"\nslots = 0', ["slots is 0", ">= 1"]),
    ('[models.m]\nengine = "llama"\ncontext = -5', ["context is -5"]),
    ('[models.m]\nengine = "llama"\ncontext = 2000000000', ["context", "slots", "2147483647"]),
    ('[models.m]\nengine = "llama"\nthreads = 1000', ["threads is 1000", "512"]),
    ('[models.m]\nengine = "llama"\nidle_timeout = nan', ["idle_timeout is nan"]),
    ('[models.m]\nengine = "chat"\nurl = "u"\ntotal_timeout = -1', ["total_timeout is -1"]),
    ('[models.m]\nengine = "completions"\nurl = "u"\ndefault_max_tokens = 0', ["default_max_tokens is 0"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "named"), ERRORS, ids=[text.splitlines()[-1] for text, _ in ERRORS])
def test_an_error_names_the_file_the_table_the_option_the_value_and_the_remedy(read, text, named):
    with pytest.raises(RequestError) as caught:
        for options in read(text).models:
            options.settings()

    for part in ["headrace.toml", *named]:
        assert part in caught.value.message


def test_an_error_in_a_variable_or_a_flag_names_it(read):
    with pytest.raises(RequestError, match="HEADRACE_PORT is 'high'"):
        read(environment={"HEADRACE_PORT": "high"})
    with pytest.raises(RequestError, match="HEADRACE_ENGINE is 'magic'"):
        read(environment={"HEADRACE_ENGINE": "magic"}).models[0].settings()
    with pytest.raises(RequestError, match="--keep-alive-interval is 'x'"):
        read(keep_alive_interval="x")


def test_a_flag_without_effect_is_an_error(read):
    with pytest.raises(RequestError, match="--slots"):
        read(upstream="http://x/v1", slots="3")


def test_a_file_that_is_named_must_exist(read):
    with pytest.raises(RequestError, match=r"nowhere.toml"):
        read(config="nowhere.toml")


def test_model_and_upstream_cannot_be_combined(read):
    with pytest.raises(RequestError, match="cannot be combined"):
        read(model="x.gguf", upstream="http://x/v1")


# --- variables without effect ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "warning"),
    [
        ("HEADRACE_IDEL_TIMEOUT", "is not a variable of Headrace; did you mean HEADRACE_IDLE_TIMEOUT?"),
        ("HEADRACE_API_KEY", "is not a variable of Headrace; did you mean HEADRACE_API_KEYS?"),
        ("HEADRACE_XYZZY", "is not a variable of Headrace; docs/configuration.md lists all"),
        ("HEADRACE_DIALECT", "has no effect: none of the served models has this option"),
    ],
)
def test_a_variable_without_effect_is_a_warning(read, variable, warning):
    assert read(environment={variable: "vllm"}).warnings == [f"{variable} {warning}"]


def test_variables_with_effect_and_those_of_other_programs_are_no_warning(read):
    environment = {
        "HEADRACE_STORE": "memory",
        "HEADRACE_API_KEYS": "a.b",
        "HEADRACE_ENGINE": "llama",
        "PATH": "/",
    }

    assert read(environment=environment).warnings == []


def test_the_variable_of_an_upstream_key_is_no_warning(read):
    text = '[models.m]\nengine = "chat"\nurl = "http://x/v1"\nupstream_key_env = "HEADRACE_GPU1_KEY"'

    assert read(text, {"HEADRACE_GPU1_KEY": "secret"}).warnings == []


def test_the_variables_that_kubernetes_sets_for_a_service_are_ignored(read):
    configuration = read(
        environment={
            "HEADRACE_PORT": "tcp://10.0.0.1:8000",
            "HEADRACE_PORT_8000_TCP": "tcp://10.0.0.1:8000",
            "HEADRACE_PORT_8000_TCP_ADDR": "10.0.0.1",
            "HEADRACE_SERVICE_HOST": "10.0.0.1",
            "HEADRACE_SERVICE_PORT": "8000",
            "HEADRACE_SERVICE_PORT_HTTP": "8000",
            "HEADRACE_REDIS_SERVICE_HOST": "10.0.0.2",
            "HEADRACE_REDIS_PORT": "tcp://10.0.0.2:6379",
        }
    )

    assert (configuration.settings.port, configuration.warnings) == (8000, [])


def test_the_variables_of_a_worker_are_no_options(read):
    configuration = read(environment={"HEADRACE_WORKERS_DIR": "/tmp/x", "HEADRACE_WORKER_SLOT": "1"})

    assert configuration.warnings == []
