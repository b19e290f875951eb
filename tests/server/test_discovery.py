"""What a server tells about itself is used, and said."""

import json

import pytest

from headrace.errors import RequestError
from headrace.models.settings import ChatSettings
from headrace.server.configuration import ModelOptions
from headrace.server.discovery import discover_models
from scripted_server import Reply, ScriptedServer

GLM_TEMPLATE = "{% for m in messages %}<|user|>{{ m.content }}/nothink<arg_key>{% endfor %}"
NOT_FOUND = Reply(b"{}", 404)
SILENT = Reply(headers={"x-wait": "60"})


def cards(*ids, **fields):
    return Reply(json.dumps({"object": "list", "data": [{"id": id, **fields} for id in ids]}).encode())


def guess(server, name="", environment=(), **values):
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
def test_the_owner_of_a_model_tells_the_dialect(serve, owner, dialect):
    server = serve(cards("zai-org/GLM-4.6", owned_by=owner), NOT_FOUND)
    (guessed,) = guess(server)
    settings = guessed.options.settings()

    assert (type(settings).__name__, settings.dialect) == ("ChatSettings", dialect)
    assert (guessed.options.name, settings.aliases) == ("glm-4.6", ("zai-org/GLM-4.6",))
    assert settings.upstream_model == "zai-org/GLM-4.6"
    assert "no chat template" in guessed.notes[-1]


def test_a_template_at_hand_means_our_parser(serve):
    server = serve(cards("m", owned_by="vllm"))
    (guessed,) = guess(server, chat_template=GLM_TEMPLATE)
    settings = guessed.options.settings()

    assert (type(settings).__name__, settings.format) == ("CompletionsSettings", "glm-4.6")
    assert "format glm-4.6, template as given" in guessed.notes[-1]


def test_llama_server_tells_its_template(serve):
    server = serve(
        cards("/models/x.gguf", owned_by="llamacpp"),
        Reply(json.dumps({"chat_template": GLM_TEMPLATE}).encode()),
    )
    (guessed,) = guess(server)

    assert server.asked[1].path == "/props"
    assert guessed.options.settings().chat_template == GLM_TEMPLATE
    assert (guessed.options.name, guessed.options.settings().aliases) == ("x", ())


def test_a_directory_of_the_server_that_is_here_too_has_the_template(serve, tmp_path):
    (tmp_path / "chat_template.jinja").write_text(GLM_TEMPLATE)
    (guessed,) = guess(serve(cards("m", owned_by="vllm", root=str(tmp_path))))

    assert guessed.options.settings().chat_template == str(tmp_path)


def test_a_template_of_an_unknown_family_is_left_to_the_server(serve):
    (guessed,) = guess(serve(cards("m", owned_by="vllm")), chat_template="{{ messages }}")

    assert isinstance(guessed.options.settings(), ChatSettings)
    assert "--format" in guessed.notes[-1]


def test_every_model_of_a_server_is_served_where_none_is_named(serve):
    guessed = guess(serve(cards("a/One", "b/Two"), NOT_FOUND))

    assert [one.options.name for one in guessed] == ["one", "two"]


def test_two_models_that_differ_in_their_organisation_only_keep_their_whole_names(serve):
    guessed = guess(serve(cards("a/One", "b/One", "b/One"), NOT_FOUND))

    assert [one.options.name for one in guessed] == ["a/One", "b/One"]


@pytest.mark.parametrize("name", ["b/Two", "two", "TWO"])
def test_a_name_chooses_among_several(serve, name):
    (guessed,) = guess(serve(cards("a/One", "b/Two"), NOT_FOUND), name=name)

    assert guessed.options.settings().upstream_model == "b/Two"
    assert guessed.options.name == name


def test_a_name_that_the_server_does_not_have_is_an_error_with_those_that_it_has(serve):
    with pytest.raises(RequestError, match="no model three; set upstream_model to one of: a/One, b/Two"):
        guess(serve(cards("a/One", "b/Two")), name="three")


def test_the_only_model_of_a_server_may_have_another_name_here(serve):
    (guessed,) = guess(serve(cards("a/One"), NOT_FOUND), name="glm-4.6")

    assert (guessed.options.name, guessed.options.settings().upstream_model) == ("glm-4.6", "a/One")


@pytest.mark.parametrize(
    "values", [{"url": 3}, {"url": ["http://x/v1", 3]}, {"dialect": "vlm"}, {"engine": "llama"}]
)
def test_a_mistake_is_told_before_anybody_is_asked(serve, values):
    server = serve(cards("m"), NOT_FOUND)
    with pytest.raises(RequestError, match="here"):
        guess(server, **values)

    assert server.asked == []


def test_what_was_given_is_not_guessed(serve):
    server = serve(cards("m", owned_by="vllm"), NOT_FOUND)
    (guessed,) = guess(server, engine="chat", dialect="sglang", idle_timeout="3")
    settings = guessed.options.settings()

    assert (settings.dialect, settings.idle_timeout) == ("sglang", 3)
    assert "as given" in guessed.notes[-1]


def test_the_key_is_sent_from_its_variable(serve):
    server = serve(cards("m"), NOT_FOUND)
    guess(server, environment={"K": "secret"}, upstream_key_env="K")

    assert server.asked[0].headers["authorization"] == "Bearer secret"


def test_a_variable_that_is_not_set_is_named(serve):
    with pytest.raises(RequestError, match="environment variable K is not set"):
        guess(serve(cards("m")), upstream_key_env="K")


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        (Reply(b"<html>hello</html>"), "no list of models"),
        (Reply(b'{"data":[{"id":"\xff"}]}'), "no list of models"),
        (NOT_FOUND, "check url"),
        (Reply(b"{}", 401), "key"),
        (cards(), "has no models"),
    ],
)
def test_another_kind_of_server_is_named(serve, reply, named):
    with pytest.raises(RequestError, match=named):
        guess(serve(reply))


def test_a_server_that_says_nothing_is_named_with_a_way_out(serve, monkeypatch):
    monkeypatch.setattr("headrace.server.discovery._PATIENCE", 0.1)
    server = serve(SILENT)
    with pytest.raises(RequestError, match=f"{server.url} said nothing for 0.1 s.*check the URL"):
        guess(server)


def test_a_server_that_is_silent_about_its_template_is_used_without(serve, monkeypatch):
    monkeypatch.setattr("headrace.server.discovery._PATIENCE", 0.5)
    (guessed,) = guess(serve(cards("m"), SILENT))

    assert guessed.options.values["engine"] == "chat"
