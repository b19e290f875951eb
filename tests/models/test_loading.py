"""Settings become a model, or an error that says what to do."""

import pytest

from headrace.engines.protocols.chat import UPSTREAM_PARSED
from headrace.errors import EngineError, RequestError
from headrace.models.loading import load_model
from headrace.models.registry import ModelRegistry
from headrace.models.settings import ChatSettings, CompletionsSettings, LlamaSettings, RecordedSettings

URL = ("http://127.0.0.1:9/v1",)
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"


def test_a_chat_upstream_needs_neither_template_nor_format():
    model = load_model("m", ChatSettings(url=URL, names=("n",)))

    assert (model.names, model.template, model.format) == (["m", "n"], None, UPSTREAM_PARSED)
    assert not model.engine.continues


def test_raw_text_can_be_continued_and_has_a_template():
    model = load_model("m", CompletionsSettings(url=URL, template=TEMPLATE, format="glm-4.7"))

    assert model.format.name == "glm-4.7"
    assert model.engine.continues


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (CompletionsSettings(url=URL), 'needs template: .* engine = "chat" needs none'),
        (CompletionsSettings(url=URL, template=TEMPLATE), "family of m is not known; set format to one of"),
        (CompletionsSettings(url=URL, template=TEMPLATE, format="glm-9"), "format is 'glm-9'"),
        (ChatSettings(url=URL, format="glm-9"), "format is 'glm-9'"),
        (ChatSettings(url=URL, key="NOT_THERE"), "environment variable NOT_THERE, which is not set"),
    ],
)
def test_what_does_not_fit_together_is_named(settings, named):
    with pytest.raises(RequestError, match=named):
        load_model("m", settings, {})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EngineError, match=r"nowhere.gguf"):
        load_model("m", LlamaSettings(path=tmp_path / "nowhere.gguf"))
    with pytest.raises(EngineError, match=r"cannot read the model file .*nowhere.bin: No such file"):
        load_model("m", LlamaSettings(path=tmp_path / "nowhere.bin"))
    with pytest.raises(EngineError, match="holds no traces"):
        load_model("m", RecordedSettings(path=tmp_path))


def test_a_file_that_is_no_gguf_is_named_whatever_it_is_called(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"PK\3\4" * 99)

    with pytest.raises(EngineError, match=r"model.bin is not a usable GGUF file"):
        load_model("m", LlamaSettings(path=tmp_path / "model.bin"))


def test_a_recording_can_be_played_with_a_fault(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"path":"chat/completions"}\n{"at":0,"end":"whole"}\n')
    model = load_model("m", RecordedSettings(path=tmp_path / "a.jsonl", fault="stall", fault_after=2))

    assert model.names == ["m"]


def test_the_first_of_two_models_with_one_name_has_it():
    first, second = (load_model(name, ChatSettings(url=URL, names=("same",))) for name in ("a", "b"))
    models = ModelRegistry([first, second])

    assert models.find("SAME") is first
    assert models.names == ["a", "same", "b"]
