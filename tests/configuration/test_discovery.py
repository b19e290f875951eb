"""A model's options are completed from what the server reports, and notes state how."""

import json

import pytest

from headrace.configuration import ModelOptions
from headrace.configuration.discovery import discover_models
from headrace.errors import RequestError
from headrace.models.settings import ENGINES, ChatSettings
from scripted_server import Reply, ScriptedServer

GLM_TEMPLATE = "{% for m in messages %}<|user|>{{ m.content }}/nothink<tool_call><arg_key>{% endfor %}"
NOT_FOUND = Reply(b"{}", 404)
NO_RESPONSE = Reply(headers={"x-wait": "60"})


def models(*ids, **fields):
    return Reply(json.dumps({"object": "list", "data": [{"id": id, **fields} for id in ids]}).encode())


def discover(server, name="", environment=(), **values):
    options = ModelOptions(name, "here", {"url": server.url} | values)
    return discover_models(options, dict(environment))


@pytest.fixture
def serve():
    servers = []

    def start(*replies):
        servers.append(ScriptedServer(*replies).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("owner", "dialect"),
    [
        ("vllm", "vllm"),
        ("sglang", "sglang"),
        ("llamacpp", "llama.cpp"),
        ("headrace", "zai"),
        ("someone", "openai"),
        (None, "openai"),
    ],
)
def test_the_owner_of_a_model_determines_the_dialect(serve, owner, dialect):
    server = serve(models("zai-org/GLM-4.6", owned_by=owner), NOT_FOUND)
    (found,) = discover(server)
    settings = found.options.settings()

    assert (type(settings).__name__, settings.dialect) == ("ChatSettings", dialect)
    assert (found.options.name, settings.aliases) == ("glm-4.6", ("zai-org/GLM-4.6",))
    assert settings.upstream_model == "zai-org/GLM-4.6"
    assert "no chat template" in found.notes[-1]


def test_aliases_are_added_to_the_names_that_a_server_reports(serve):
    (found,) = discover(serve(models("zai-org/GLM-4.6"), NOT_FOUND), aliases="mine,*")

    assert found.options.settings().aliases == ("mine", "*", "zai-org/GLM-4.6")


def test_a_given_template_selects_completions(serve):
    server = serve(models("m", owned_by="vllm"))
    (found,) = discover(server, chat_template=GLM_TEMPLATE)
    settings = found.options.settings()

    assert (type(settings).__name__, settings.format) == ("CompletionsSettings", "glm-4.6")
    assert "format glm-4.6, template as given" in found.notes[-1]
    assert "--engine chat" in found.notes[-1]


@pytest.mark.parametrize("engine", ["chat", "completions"])
def test_the_context_that_a_server_reports_limits_max_tokens(serve, engine):
    server = serve(models("m", owned_by="vllm", max_model_len=4096))
    template = {"chat_template": GLM_TEMPLATE} if engine == "completions" else {}
    (found,) = discover(server, engine=engine, **template)

    assert found.options.settings().context == 4096
    assert found.notes[0].endswith("context 4096")
    (given,) = discover(serve(models("m", max_model_len=4096)), context="100", engine="chat")
    assert given.options.settings().context == 100


def test_llama_server_reports_its_template(serve):
    template = GLM_TEMPLATE + "{{ tone }}{{ eos_token }}"
    server = serve(
        models("/models/x.gguf", owned_by="llamacpp"),
        Reply(json.dumps({"chat_template": template, "bos_token": "<s>", "eos_token": "</s>"}).encode()),
    )
    (found,) = discover(server, chat_template_kwargs={"tone": 1})

    assert server.asked[1].path == "/props"
    assert found.options.settings().chat_template == template
    assert found.options.settings().chat_template_kwargs == {"eos_token": "</s>", "tone": 1}
    assert (found.options.name, found.options.settings().aliases) == ("x", ())


def test_the_template_is_read_from_the_model_directory_of_a_server_on_this_machine(serve, tmp_path):
    (tmp_path / "chat_template.jinja").write_text(GLM_TEMPLATE)
    (found,) = discover(serve(models("m", owned_by="vllm", root=str(tmp_path))))

    assert found.options.settings().chat_template == str(tmp_path)


def test_an_unknown_family_is_parsed_by_the_server(serve):
    (found,) = discover(serve(models("m", owned_by="vllm")), chat_template="{{ messages }}")

    assert isinstance(found.options.settings(), ChatSettings)
    assert "--format" in found.notes[-1]


@pytest.mark.parametrize(
    ("values", "props", "engine", "images"),
    [
        ({}, {}, "completions", None),
        ({"images": "false"}, {}, "completions", False),
        ({"images": "true"}, {}, "chat", True),
        ({}, {"modalities": {"vision": True, "audio": False}}, "completions", None),
        ({"engine": "chat"}, {"modalities": {"vision": True, "audio": False}}, "chat", True),
        ({"engine": "chat", "images": "false"}, {"modalities": {"vision": True}}, "chat", False),
        ({"engine": "chat"}, {"modalities": {"vision": False}}, "chat", None),
    ],
)
def test_images_need_the_engine_chat_and_llama_server_reports_them(serve, values, props, engine, images):
    props = Reply(json.dumps({"chat_template": GLM_TEMPLATE, **props}).encode())
    (found,) = discover(serve(models("m", owned_by="llamacpp"), props), **values)
    settings = found.options.settings()

    assert (type(settings), settings.images) == (ENGINES[engine], images)


def test_without_a_name_every_model_of_the_server_is_served(serve):
    found = discover(serve(models("a/One", "b/Two"), NOT_FOUND))

    assert [model.options.name for model in found] == ["one", "two"]


def test_models_with_the_same_short_name_keep_their_full_names(serve):
    found = discover(serve(models("a/One", "b/One", "b/One"), NOT_FOUND))

    assert [model.options.name for model in found] == ["a/One", "b/One"]


@pytest.mark.parametrize("name", ["b/Two", "two", "TWO"])
def test_a_name_selects_one_of_several_models(serve, name):
    (found,) = discover(serve(models("a/One", "b/Two"), NOT_FOUND), name=name)

    assert found.options.settings().upstream_model == "b/Two"
    assert found.options.name == name


def test_an_unknown_name_is_an_error_that_lists_the_available_ones(serve):
    with pytest.raises(RequestError, match="no model three; set upstream_model to one of: a/One, b/Two"):
        discover(serve(models("a/One", "b/Two")), name="three")


def test_the_only_model_of_a_server_may_be_renamed(serve):
    (found,) = discover(serve(models("a/One"), NOT_FOUND), name="glm-4.6")

    assert (found.options.name, found.options.settings().upstream_model) == ("glm-4.6", "a/One")


@pytest.mark.parametrize(
    "values", [{"url": 3}, {"url": ["http://x/v1", 3]}, {"dialect": "vlm"}, {"engine": "llama"}]
)
def test_an_invalid_option_is_reported_before_any_request(serve, values):
    server = serve(models("m"), NOT_FOUND)
    with pytest.raises(RequestError, match="here"):
        discover(server, **values)

    assert server.asked == []


def test_given_options_take_precedence(serve):
    server = serve(models("m", owned_by="vllm"), NOT_FOUND)
    (found,) = discover(server, engine="chat", dialect="sglang", idle_timeout="3")
    settings = found.options.settings()

    assert (settings.dialect, settings.idle_timeout) == ("sglang", 3)
    assert "as given" in found.notes[-1]


def test_the_key_is_sent_from_its_variable(serve):
    server = serve(models("m"), NOT_FOUND)
    discover(server, environment={"K": "secret"}, upstream_key_env="K")

    assert server.asked[0].headers["authorization"] == "Bearer secret"


def test_an_error_names_the_variable_that_is_not_set(serve):
    with pytest.raises(RequestError, match="environment variable K is not set"):
        discover(serve(models("m")), upstream_key_env="K")


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        (Reply(b"<html>hello</html>"), "is not a list of models"),
        (Reply(b'{"data":[{"id":"\xff"}]}'), "is not a list of models"),
        (NOT_FOUND, "check url"),
        (Reply(b"{}", 401), "key"),
        (models(), "has no models"),
    ],
)
def test_an_error_names_a_server_that_does_not_list_models(serve, reply, named):
    with pytest.raises(RequestError, match=named):
        discover(serve(reply))


def test_an_error_names_a_server_that_does_not_respond_and_a_workaround(serve, monkeypatch):
    monkeypatch.setattr("headrace.configuration.discovery._TIMEOUT", 0.1)
    server = serve(NO_RESPONSE)
    with pytest.raises(
        RequestError, match=f"{server.url} did not respond to GET models within 0.1 s; check the URL"
    ):
        discover(server)


def test_a_template_that_is_not_reported_in_time_is_skipped(serve, monkeypatch):
    monkeypatch.setattr("headrace.configuration.discovery._TIMEOUT", 0.5)
    (found,) = discover(serve(models("m"), NO_RESPONSE))

    assert found.options.values["engine"] == "chat"
