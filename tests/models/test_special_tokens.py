"""The special tokens of a model's vocabulary reach its chat template."""

import asyncio

import pytest

from gguf_files import gguf
from headrace.engines.gguf import vocabulary_tokens
from headrace.errors import EngineError
from headrace.models.loading import load_model
from headrace.models.settings import CompletionsSettings, LlamaSettings
from headrace.models.templates import find_template
from headrace_tiny import model_path

TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")
SHOWN = "".join(f"{{{{ {name} }}}}" for name in TOKENS)
HELLO = [{"role": "user", "content": "Hi"}]
IDS = {
    "tokenizer.ggml.unknown_token_id": 0,
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.padding_token_id": 3,
}
VOCABULARY = {"tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "<pad>"]}


def of_gguf(tmp_path, template, metadata):
    return find_template(str(gguf(tmp_path / "m.gguf", {"tokenizer.chat_template": template, **metadata})))


@pytest.mark.parametrize(("writes_bos", "prompt"), [(True, "<s></s><unk><pad>"), (False, "</s><unk><pad>")])
def test_a_gguf_file_has_them(tmp_path, writes_bos, prompt):
    source = of_gguf(tmp_path, SHOWN, IDS | VOCABULARY)

    assert source.compile(writes_bos=writes_bos).render(HELLO) == prompt


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        VOCABULARY,
        IDS,
        {"tokenizer.ggml.tokens": ["<unk>"], "tokenizer.ggml.eos_token_id": 7},
        {"tokenizer.ggml.tokens": "text", "tokenizer.ggml.eos_token_id": 0},
        {"tokenizer.ggml.tokens": ["\n"], "tokenizer.ggml.eos_token_id": 0},
    ],
)
def test_a_token_that_a_vocabulary_lacks_is_blank_and_does_not_fail(tmp_path, metadata):
    template = of_gguf(tmp_path, "{{ messages[0].content + eos_token }}", metadata).compile(writes_bos=True)

    assert template.render(HELLO) == "Hi"


def test_a_template_can_test_whether_the_vocabulary_has_a_token(tmp_path):
    jinja = "{{ eos_token if eos_token is defined else '!' }}{{ pad_token | default('?') }}"

    assert of_gguf(tmp_path, jinja, {}).compile(writes_bos=True).render(HELLO) == "!?"


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize(
    "jinja", ["{{ TOKEN }}", "{{ 'a' + TOKEN }}", "{% if TOKEN %}{{ TOKEN }}{% endif %}"]
)
def test_a_token_without_any_vocabulary_is_rejected_at_the_start_with_the_remedy(name, jinja):
    source = find_template(jinja.replace("TOKEN", name))

    with pytest.raises(
        EngineError, match=f'{name}, which is not known .* tokenizer_config.json .* {name} = "'
    ):
        source.compile(writes_bos=True)
    assert source.compile(writes_bos=True, variables={name: "<x>"}).render(HELLO) in ("<x>", "a<x>")


def test_the_first_token_is_blank_for_an_engine_that_adds_it_unless_it_is_set():
    source = find_template("{{ bos_token }}Hi")

    assert source.compile(writes_bos=False).render(HELLO) == "Hi"
    assert source.compile(writes_bos=False, variables={"bos_token": "<s>"}).render(HELLO) == "<s>Hi"


def test_another_template_for_a_gguf_file_has_the_tokens_of_the_file():
    names = vocabulary_tokens(model_path())
    model = load_model("m", LlamaSettings(format="glm-4.6", chat_template="{{ bos_token }}{{ eos_token }}"))

    assert model.template.render(HELLO) == names["eos_token"]
    asyncio.run(model.engine.close())


def test_the_options_of_a_model_have_variables():
    settings = CompletionsSettings(
        url=("http://127.0.0.1:9/v1",),
        format="glm-4.6",
        chat_template="{{ eos_token }}{{ builtin | join }}",
        chat_template_kwargs={"eos_token": "</s>", "builtin": ["a", "b"]},
    )

    assert load_model("m", settings).template.render(HELLO) == "</s>ab"


@pytest.mark.parametrize(
    ("name", "message"),
    [("builtin", "no such variable; it has date, tone"), ("messages", "cannot be set here")],
)
def test_a_variable_that_the_template_lacks_is_rejected(name, message):
    source = find_template("{{ tone }}{{ date }}{{ messages[0].content }}")

    with pytest.raises(EngineError, match=f"chat_template_kwargs.{name}: .*{message}"):
        source.compile(writes_bos=True, variables={name: "x"})
