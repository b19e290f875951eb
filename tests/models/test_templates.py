"""A chat template is found wherever a model comes with one."""

import json

import pytest

from headrace.errors import EngineError
from headrace.models.templates import find_template, model_template
from headrace_tiny import model_path

JINJA = "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}{{ eos_token }}"
HELLO = [{"role": "user", "content": "Hi"}]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def render(place, *, writes_bos=True):
    return find_template(str(place)).compile(writes_bos=writes_bos).render(HELLO)


def test_a_gguf_has_it():
    assert render(model_path()).startswith("[gMASK]<sop>")


def test_a_model_has_its_own_whatever_its_file_is_called(tmp_path):
    (tmp_path / "model.bin").symlink_to(model_path())

    assert model_template(tmp_path / "model.bin").text == find_template(str(model_path())).text


def test_a_jinja_file_is_it(tmp_path):
    assert render(write(tmp_path / "t.jinja", JINJA)) == "Hi"


def test_it_may_be_given_itself():
    assert render(JINJA) == "Hi"


@pytest.mark.parametrize("token", ["<s>", {"content": "<s>", "lstrip": False}])
def test_tokens_come_from_the_configuration_beside_it(tmp_path, token):
    write(tmp_path / "tokenizer_config.json", {"bos_token": token, "eos_token": "</s>"})
    write(tmp_path / "chat_template.jinja", JINJA)

    assert render(tmp_path) == render(tmp_path / "chat_template.jinja") == "<s>Hi</s>"


def test_a_server_that_writes_the_first_token_itself_gets_none(tmp_path):
    write(tmp_path / "tokenizer_config.json", {"bos_token": "<s>", "chat_template": JINJA})

    assert render(tmp_path, writes_bos=True) == "<s>Hi"
    assert render(tmp_path, writes_bos=False) == "Hi"


@pytest.mark.parametrize(
    "template",
    [
        JINJA,
        [{"name": "default", "template": JINJA}],
        [{"name": "default", "template": "no"}, {"name": "tool_use", "template": JINJA}],
    ],
)
def test_a_configuration_has_it_in_one_of_its_shapes(tmp_path, template):
    write(tmp_path / "tokenizer_config.json", {"bos_token": "<s>", "chat_template": template})

    assert render(tmp_path) == render(tmp_path / "tokenizer_config.json") == "<s>Hi"


def test_a_jinja_file_in_a_directory_counts_more_than_the_configuration(tmp_path):
    write(tmp_path / "tokenizer_config.json", {"bos_token": "<s>", "chat_template": "old"})
    write(tmp_path / "chat_template.jinja", JINJA)

    assert render(tmp_path) == "<s>Hi"


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("nowhere.jinja", None, "cannot read"),
        ("tokenizer_config.json", "{", "not valid JSON"),
        ("tokenizer_config.json", {}, "no chat template"),
        ("model.gguf", "GGUF", "not a usable GGUF"),
        ("t.jinja", "{% for %}", "line 1"),
    ],
)
def test_what_has_none_is_named(tmp_path, name, content, named):
    if content is not None:
        write(tmp_path / name, content)
    with pytest.raises(EngineError, match=named):
        render(tmp_path / name)


def test_both_names_of_the_switch_reach_it():
    template = find_template("{{ enable_thinking }} {{ thinking }}").compile(writes_bos=False)

    assert template.render(HELLO, thinking=False) == "False False"


def test_a_date_can_be_asked_for():
    assert find_template("{{ strftime_now('%Y') }}").compile(writes_bos=False).render(HELLO).isdigit()
