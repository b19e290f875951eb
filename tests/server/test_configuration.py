"""Flags over the environment over headrace.toml over defaults; a mistake is named where it stands."""

import pytest

from headrace.errors import RequestError
from headrace.models.settings import ChatSettings, CompletionsSettings, LlamaSettings
from headrace.server.configuration import configure

WHOLE = """
[server]
port = 9000
keep_alive = 5

[turns]
linger = 7.5

[models."glm-4.6"]
engine = "completions"
url = ["http://gpu1:8000/v1", "http://gpu2:8000/v1"]
upstream_model = "zai-org/GLM-4.6"
key = "VLLM_KEY"
dialect = "vllm"
template = "templates/glm.jinja"
names = ["glm"]
first_token = 60

[models.air]
engine = "chat"
url = "https://api.z.ai/api/paas/v4"
dialect = "zai"
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads a headrace.toml in the working directory, or none."""
    monkeypatch.chdir(tmp_path)

    def read(text="", environment=(), **flags):
        if text:
            (tmp_path / "headrace.toml").write_text(text)
        return configure(flags, dict(environment))

    return read


def test_a_file_says_everything(read):
    configuration = read(WHOLE)
    glm, air = (options.settings() for options in configuration.models)

    assert [options.name for options in configuration.models] == ["glm-4.6", "air"]
    assert (configuration.settings.port, configuration.settings.keep_alive) == (9000, 5)
    assert configuration.settings.turns.linger == 7.5
    assert isinstance(glm, CompletionsSettings)
    assert glm.url == ("http://gpu1:8000/v1", "http://gpu2:8000/v1")
    assert (glm.key, glm.dialect, glm.names, glm.first_token) == ("VLLM_KEY", "vllm", ("glm",), 60)
    assert isinstance(air, ChatSettings)
    assert air.url == ("https://api.z.ai/api/paas/v4",)


def test_paths_are_relative_to_the_file_and_inline_templates_are_not_paths(read, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "my.toml").write_text(
        WHOLE.replace("[models.air]", '[models.local]\nengine = "llama"\npath = "m.gguf"\n[models.air]')
    )
    configuration = read(config=str(tmp_path / "etc" / "my.toml"))
    inline = read(WHOLE.replace("templates/glm.jinja", "{{ messages }}"))

    assert configuration.models[0].settings().template == str(tmp_path / "etc" / "templates" / "glm.jinja")
    assert configuration.models[1].settings().path == tmp_path / "etc" / "m.gguf"
    assert inline.models[0].settings().template == "{{ messages }}"


def test_a_flag_overrules_a_variable_and_a_variable_the_file(read):
    environment = {"HEADRACE_PORT": "1", "HEADRACE_KEEP_ALIVE": "2.5", "HEADRACE_LINGER": "3"}
    settings = read(WHOLE, environment, port="7").settings

    assert (settings.port, settings.keep_alive, settings.turns.linger) == (7, 2.5, 3)


def test_a_variable_for_models_holds_for_each_that_knows_the_option(read):
    models = read(WHOLE, {"HEADRACE_IDLE": "9", "HEADRACE_MAX_TOKENS": "5"}).models
    glm, air = (options.settings() for options in models)

    assert (glm.idle, air.idle) == (9, 9)
    assert glm.max_tokens == 5


def test_without_anything_it_is_the_embedded_model(read):
    configuration = read(environment={"HEADRACE_SLOTS": "2", "HEADRACE_API_KEYS": "a.b, c.d"})
    (options,) = configuration.models

    assert configuration.settings.api_keys == ("a.b", "c.d")
    assert options.settings() == LlamaSettings(slots=2)


def test_a_model_file_keeps_zais_names(read):
    (options,) = read(model="/models/My-GLM.gguf", threads="8").models
    settings = options.settings()

    assert options.name == "my-glm"
    assert (str(settings.path), settings.threads) == ("/models/My-GLM.gguf", 8)
    assert "glm-4.6" in settings.names


def test_the_command_line_names_the_only_model(read):
    (options,) = read(WHOLE, upstream="http://x:1/v1,http://y:1/v1").models

    assert options.settings(ChatSettings).url == ("http://x:1/v1", "http://y:1/v1")
    assert options.name == ""


MISTAKES = [
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
    ('[models.m]\nengine = "magic"', ['[models."m"]', "engine is 'magic'", "llama, completions, chat, recorded"]),
    ('[models.m]\nengine = ["llama"]', ['[models."m"]', "engine is ['llama']", "llama, completions"]),
    ('[models.glm-4.6]\nengine = "llama"', ["[models.glm-4.6]", "quotes", '[models."glm-4.6"]']),
    ('[models.m]\nengine = "llama"\n[models.o]\nnames = ["M"]', ['[models."o"]', "M", '[models."m"]', "one name"]),
    ('[models.m]\nengine = "chat"', ['[models."m"]', "url is missing", "http://gpu1:8000/v1"]),
    ('[models.m]\nengine = "chat"\nurl = "u"\nslots = 3', ["slots is no option here"]),
    ('[models.m]\nengine = "llama"\nslots = "many"', ['[models."m"]', "slots is 'many'", "generations at once"]),
    ('[models.m]\nengine = "chat"\nurl = "u"\ndialect = "vlm"', ["dialect is 'vlm'", "{openai,zai,vllm,sglang,llama.cpp}"]),
    ('[models.m]\nengine = "chat"\nurl = "u"\nkey = "sk-1.2"', ["key must be the NAME"]),
    ('[models.m]\nengine = "recorded"', ["path is missing", "directory of traces"]),
    ("[server]\nport = 99999", ["port is 99999", "65535"]),
    ("[server]\nkeep_alive = 0", ["keep_alive is 0", "SECONDS: silence"]),
    ("[server]\nkeep_alive = inf", ["keep_alive is inf"]),
    ("[server]\nshutdown_timeout = -1", ["shutdown_timeout is -1"]),
    ('[models.m]\nengine = "llama"\nslots = 0', ["slots is 0", ">= 1"]),
    ('[models.m]\nengine = "llama"\ncontext = -5', ["context is -5"]),
    ('[models.m]\nengine = "llama"\ncontext = 2000000000', ["context", "slots", "2147483647"]),
    ('[models.m]\nengine = "llama"\nthreads = 1000', ["threads is 1000", "512"]),
    ('[models.m]\nengine = "llama"\nidle = nan', ["idle is nan"]),
    ('[models.m]\nengine = "chat"\nurl = "u"\ntotal = -1', ["total is -1"]),
    ('[models.m]\nengine = "completions"\nurl = "u"\nmax_tokens = 0', ["max_tokens is 0"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "named"), MISTAKES, ids=[text.splitlines()[-1] for text, _ in MISTAKES])
def test_a_mistake_names_file_table_key_value_and_way_out(read, text, named):
    with pytest.raises(RequestError) as caught:
        for options in read(text).models:
            options.settings()

    for part in ["headrace.toml", *named]:
        assert part in caught.value.message


def test_a_mistake_in_a_variable_or_a_flag_names_that(read):
    with pytest.raises(RequestError, match="HEADRACE_PORT is 'high'"):
        read(environment={"HEADRACE_PORT": "high"})
    with pytest.raises(RequestError, match="HEADRACE_ENGINE is 'magic'"):
        read(environment={"HEADRACE_ENGINE": "magic"}).models[0].settings()
    with pytest.raises(RequestError, match="--keep-alive is 'x'"):
        read(keep_alive="x")


def test_a_flag_that_changes_nothing_is_a_mistake(read):
    with pytest.raises(RequestError, match="--slots"):
        read(upstream="http://x/v1", slots="3")


def test_a_file_that_was_named_must_be_there(read):
    with pytest.raises(RequestError, match=r"nowhere.toml"):
        read(config="nowhere.toml")


def test_model_and_upstream_exclude_each_other(read):
    with pytest.raises(RequestError, match="exclude each other"):
        read(model="x.gguf", upstream="http://x/v1")
