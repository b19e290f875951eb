"""Settings become a model, or an error with a remedy."""

import pytest

from headrace.engines.protocols.upstream_parsed import UPSTREAM_PARSED
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


def test_a_completions_upstream_has_a_template_and_can_continue():
    model = load_model("m", CompletionsSettings(url=URL, template=TEMPLATE, format="glm-4.7"))

    assert model.format.name == "glm-4.7"
    assert model.engine.continues


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (CompletionsSettings(url=URL), 'needs template: .* engine = "chat" needs none'),
        (CompletionsSettings(url=URL, template=TEMPLATE), "family of m is not known; set format to one of"),
        (CompletionsSettings(url=URL, template=TEMPLATE, format="glm-9"), "format is 'glm-9'"),
        (ChatSettings(url=URL, format="glm-9"), "format is 'glm-9'"),
        (ChatSettings(url=URL, key="NOT_THERE"), "environment variable NOT_THERE, which is not set"),
    ],
)
def test_inconsistent_settings_are_an_error(settings, message):
    with pytest.raises(RequestError, match=message):
        load_model("m", settings, {})


def test_an_error_names_a_missing_file(tmp_path):
    with pytest.raises(EngineError, match=r"nowhere.gguf"):
        load_model("m", LlamaSettings(path=tmp_path / "nowhere.gguf"))
    with pytest.raises(EngineError, match=r"cannot read the model file .*nowhere.bin: No such file"):
        load_model("m", LlamaSettings(path=tmp_path / "nowhere.bin"))
    with pytest.raises(EngineError, match="has no recordings"):
        load_model("m", RecordedSettings(path=tmp_path))


def test_an_error_names_a_file_that_is_not_a_gguf_regardless_of_its_suffix(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"PK\3\4" * 99)

    with pytest.raises(EngineError, match=r"model.bin is not a usable GGUF file"):
        load_model("m", LlamaSettings(path=tmp_path / "model.bin"))


def test_a_recording_can_be_replayed_with_a_fault(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"path":"chat/completions"}\n{"at":0,"end":"whole"}\n')
    model = load_model("m", RecordedSettings(path=tmp_path / "a.jsonl", fault="stall", fault_after=2))

    assert model.names == ["m"]


def test_the_first_model_wins_a_shared_name():
    first, second = (load_model(name, ChatSettings(url=URL, names=("same",))) for name in ("a", "b"))
    models = ModelRegistry([first, second])

    assert models.find("SAME") is first
    assert models.names == ["a", "same", "b"]
