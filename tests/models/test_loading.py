"""Settings become a model, or an error with a remedy."""

import asyncio

import pytest

from headrace.engines.llama_loading import physical_cores
from headrace.engines.protocols.chat import UPSTREAM_PARSED
from headrace.errors import RequestError
from headrace.formats import TEXT, TEXT_WITH_THINKING
from headrace.models.loading import load_model
from headrace.models.names import ZAI_NAMES
from headrace.models.registry import ModelRegistry
from headrace.models.settings import ChatSettings, CompletionsSettings, LlamaSettings, RecordedSettings
from headrace.options import OptionError
from headrace_tiny import model_path

URL = ("http://127.0.0.1:9/v1",)
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"


def test_a_chat_upstream_needs_neither_template_nor_format():
    model = load_model("m", ChatSettings(url=URL, aliases=("n",)))

    assert (model.names, model.template, model.format) == (["m", "n"], None, UPSTREAM_PARSED)
    assert not model.engine.continues


VISION = (
    "GLM-4.5V glm-4.6v-flash glm-4.1v-thinking-flash glm-5v-turbo qwen/Qwen2.5-VL-7B qwen3-vl InternVL3-8B"
)
VISION += (
    " gpt-4o-mini Llama-3.2-11B-Vision pixtral-12b llava:7b google/gemma-3-27b-it gemma-3n-e4b gemma3:4b"
)
TEXTS = "glm-4.6 glm-4-9b qwen3-8b vllm gpt-4 gpt-3.5-turbo gemma-3-270m gemma-3-1b gemma3:1b llama-3.3-70b"


@pytest.mark.parametrize("name", [*VISION.split(), *TEXTS.split()])
@pytest.mark.parametrize("images", [None, True, False])
def test_a_chat_upstream_accepts_images_as_its_name_or_the_option_says(name, images):
    model = load_model("m", ChatSettings(url=URL, upstream_model=name, images=images))

    assert model.accepts_images == (name in VISION.split() if images is None else images)


def test_a_completions_upstream_has_a_template_and_can_continue():
    model = load_model("m", CompletionsSettings(url=URL, chat_template=TEMPLATE, format="glm-4.7"))

    assert model.format.name == "glm-4.7"
    assert model.engine.continues


def test_a_model_of_an_unknown_family_is_served_as_text():
    thinks = TEMPLATE.replace("{{ m.content }}", "<think></think>{{ m.content }}")

    assert load_model("m", CompletionsSettings(url=URL, chat_template=TEMPLATE)).format is TEXT
    assert load_model("m", CompletionsSettings(url=URL, chat_template=thinks)).format is TEXT_WITH_THINKING


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            CompletionsSettings(url=URL),
            'chat_template: engine = "completions" needs .* engine = "chat" needs none',
        ),
        (
            CompletionsSettings(url=URL, chat_template=TEMPLATE, format="glm-9"),
            "format: 'glm-9' is not known",
        ),
        (
            CompletionsSettings(url=URL, chat_template=TEMPLATE, images=True),
            'images: engine = "completions" sends text only; set engine = "chat"',
        ),
        (ChatSettings(url=URL, format="glm-9"), "format: 'glm-9' is not known"),
        (
            ChatSettings(url=URL, upstream_key_env="NOT_THERE"),
            "upstream_key_env: the environment variable NOT_THERE is not set",
        ),
    ],
)
def test_inconsistent_settings_are_an_error(settings, message):
    with pytest.raises(RequestError, match=message):
        load_model("m", settings, {})


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        (LlamaSettings, "path"),
        (LlamaSettings, "chat_template"),
        (CompletionsSettings, "chat_template"),
        (RecordedSettings, "path"),
    ],
)
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("missing.gguf", "no such file or directory; correct the path"),
        ("missing", "no such file or directory; correct the path"),
        ("file/beneath", "Not a directory; correct the path"),
        ("text", "is not a usable GGUF file|is not a recording|not valid Jinja: line 1"),
        ("text.gguf", "is not a usable GGUF file|is not a recording|not valid Jinja"),
        ("text.json", "is not a usable GGUF file|is not a recording|is not valid JSON"),
        ("folder.gguf", "it is a directory; set the path of a file|contains no recordings"),
        ("folder", "it is a directory; set the path of a file|has no chat template|contains no recordings"),
    ],
)
def test_an_error_names_an_unusable_file_and_its_option(tmp_path, kind, option, file, reason):
    for text in ("file", "text", "text.gguf", "text.json"):
        (tmp_path / text).write_text("{% text")
    for folder in ("folder", "folder.gguf"):
        (tmp_path / folder).mkdir()
    place = tmp_path / file
    required = {"url": URL} if kind is CompletionsSettings else {}
    settings = kind(**required, **{option: place if option == "path" else str(place)})
    with pytest.raises(OptionError, match=reason) as caught:
        load_model("m", settings)

    assert caught.value.option == option
    assert str(place) in caught.value.message


def test_a_recording_can_be_replayed_with_a_fault(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"path":"chat/completions"}\n{"at":0,"end":"whole"}\n')
    model = load_model("m", RecordedSettings(path=tmp_path / "a.jsonl", fault="stall", fault_after=2))

    assert model.names == ["m"]


def test_the_first_model_wins_a_shared_name():
    first, second = (load_model(name, ChatSettings(url=URL, aliases=("same",))) for name in ("a", "b"))
    models = ModelRegistry([first, second])

    assert models.find("SAME") is first
    assert models.names == ["a", "same", "b"]


def test_aliases_are_added_to_the_names_of_the_embedded_model():
    model = load_model("", LlamaSettings(aliases=("*", "gpt-5")))
    models = ModelRegistry([model])

    assert model.names == ["gpt-5", *ZAI_NAMES, "*"]
    assert "*" not in models.names
    assert models.find("GPT-5") is models.find("anything") is model
    asyncio.run(models.close())


def test_a_model_for_any_name_leaves_the_others_their_names():
    one, any_ = (
        load_model(name, ChatSettings(url=URL, aliases=aliases))
        for name, aliases in (("a", ()), ("b", ("*",)))
    )
    models = ModelRegistry([any_, one])

    assert models.find("a") is one
    assert models.find("c") is any_
    assert models.find("c" * 256) is any_
    with pytest.raises(RequestError, match="is not served here"):
        models.find("c" * 257)
    assert models.names == ["b", "a"]


def test_the_embedded_model_has_every_name_of_z_ais_own_programs():
    names = "glm-5.1 glm-5 glm-4.7 glm-4.7-flash glm-4-flash glm-4-plus charglm-3 glm-5.3 glm-4.5-air"

    assert set(names.split()) <= set(ZAI_NAMES)


@pytest.mark.parametrize(
    ("context", "resources"),
    [
        (0, "1 slots of 4096 tokens, threads: 1"),
        (512, "1 slots of 512 tokens, threads: 1"),
        (32_768, "1 slots of 4096 tokens, threads: 1; context 32768 is more than the model was trained with"),
    ],
)
def test_what_a_model_uses_is_told_and_a_context_that_llama_cpp_would_reduce_as_well(context, resources):
    model = load_model("", LlamaSettings(slots=1, context=context))
    asyncio.run(model.engine.close())

    assert model.resources == resources
    assert model.context == int(resources.split()[3])


@pytest.mark.parametrize(
    ("options", "threads"), [({}, 1), ({"path": model_path()}, 3), ({"path": model_path(), "threads": 2}, 2)]
)
def test_a_file_gets_a_thread_for_each_physical_core(monkeypatch, options, threads):
    monkeypatch.setattr("headrace.engines.llama_loading.physical_cores", lambda: 3)
    model = load_model("", LlamaSettings(slots=1, context=256, **options))
    asyncio.run(model.engine.close())

    assert model.resources == f"1 slots of 256 tokens, threads: {threads}"


@pytest.mark.parametrize(
    ("siblings", "cores"), [(["0", "1"], 2), (["0-1", "0-1"], 1), (["0,2", "1,3", "0,2", "1,3"], 2), ([], 1)]
)
def test_a_core_with_two_hardware_threads_counts_once(monkeypatch, tmp_path, siblings, cores):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(len(siblings) or 1), raising=False)
    for cpu, text in enumerate(siblings):
        place = tmp_path / f"cpu{cpu}" / "topology"
        place.mkdir(parents=True)
        (place / "thread_siblings_list").write_text(f"{text}\n")

    assert physical_cores(tmp_path) == cores
