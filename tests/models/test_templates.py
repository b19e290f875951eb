"""A chat template is found in every kind of file that comes with a model."""

import json
import struct

import pytest

from gguf_files import gguf
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


def test_a_gguf_file_has_a_template():
    assert render(model_path()).startswith("[gMASK]<sop>")


def test_a_gguf_file_is_read_regardless_of_its_suffix(tmp_path):
    (tmp_path / "model.bin").symlink_to(model_path())

    assert model_template(tmp_path / "model.bin").text == find_template(str(model_path())).text


def test_another_file_that_is_to_have_the_template_must_have_one(tmp_path):
    with pytest.raises(EngineError, match="m.gguf has no chat template; convert a model that has one"):
        find_template(str(gguf(tmp_path / "m.gguf", {"general.architecture": "llama"})))


def test_a_jinja_file_is_a_template(tmp_path):
    assert render(write(tmp_path / "t.jinja", "{{ messages[0].content }}")) == "Hi"


def test_jinja_source_is_a_template():
    assert render("{{ messages[0].content }}") == "Hi"


@pytest.mark.parametrize("token", ["<s>", {"content": "<s>", "lstrip": False}])
def test_special_tokens_come_from_the_tokenizer_configuration(tmp_path, token):
    write(tmp_path / "tokenizer_config.json", {"bos_token": token, "eos_token": "</s>"})
    write(tmp_path / "chat_template.jinja", JINJA)

    assert render(tmp_path) == render(tmp_path / "chat_template.jinja") == "<s>Hi</s>"


def test_the_first_token_is_omitted_for_a_server_that_adds_it(tmp_path):
    write(tmp_path / "tokenizer_config.json", {"bos_token": "<s>", "chat_template": JINJA})

    assert render(tmp_path, writes_bos=True) == "<s>Hi"
    assert render(tmp_path, writes_bos=False) == "Hi"


@pytest.mark.parametrize(
    "template",
    [
        JINJA,
        [{"name": "default", "template": JINJA}],
        [{"name": "tool_use", "template": JINJA}],
        [{"name": "rag", "template": "no"}, {"name": "default", "template": JINJA}],
    ],
)
def test_a_configuration_has_one_template_or_several(tmp_path, template):
    write(tmp_path / "tokenizer_config.json", {"bos_token": "<s>", "chat_template": template})

    assert render(tmp_path) == render(tmp_path / "tokenizer_config.json") == "<s>Hi"


def test_a_jinja_file_takes_precedence_over_the_configuration(tmp_path):
    write(tmp_path / "tokenizer_config.json", {"bos_token": "<s>", "chat_template": "old"})
    write(tmp_path / "chat_template.jinja", JINJA)

    assert render(tmp_path) == "<s>Hi"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nowhere.jinja", None, "cannot read"),
        ("tokenizer_config.json", "{", "not valid JSON"),
        ("tokenizer_config.json", {}, "no chat template"),
        ("model.gguf", "GGUF", "not a usable GGUF"),
        ("t.jinja", "{% for %}", "line 1"),
    ],
)
def test_an_error_names_the_file_without_a_template(tmp_path, name, content, message):
    if content is not None:
        write(tmp_path / name, content)
    with pytest.raises(EngineError, match=message):
        render(tmp_path / name)


def test_both_names_of_the_thinking_switch_are_variables():
    template = find_template("{{ enable_thinking }} {{ thinking }}").compile(writes_bos=False)

    assert template.render(HELLO, thinking=False) == "False False"


def test_a_template_can_format_the_date():
    assert find_template("{{ strftime_now('%Y') }}").compile(writes_bos=False).render(HELLO).isdigit()


@pytest.mark.parametrize("length", [2, 100])
def test_a_template_that_is_an_array_is_rejected(tmp_path, length):
    path = tmp_path / "a.gguf"
    key = b"tokenizer.chat_template"
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", len(key)) + key
    path.write_bytes(head + struct.pack("<IIQ", 9, 0, length) + bytes(length))

    with pytest.raises(EngineError, match="tokenizer.chat_template is not a text"):
        model_template(path)
