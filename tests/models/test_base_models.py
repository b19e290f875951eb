"""A GGUF file without a chat template is a base model: it continues a dialogue as plain text."""

import asyncio
import json

import httpx2
import pytest

from gguf_files import gguf
from headrace.engines.gguf import read_metadata
from headrace.formats import FORMATS, TEXT
from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.options import OptionError
from headrace.server import App, LocalServer, ModelRegistry, Settings
from headrace.wire import decode_request
from headrace_tiny import model_path
from wire_client import CHAT

USER = {"role": "user", "content": "Hi"}
DIALOGUE = [
    {"role": "system", "content": "Be kind."},
    USER,
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": [{"type": "text", "text": "A "}, {"type": "text", "text": "poem"}]},
]
STOPS = ["\n\nUser:", "\nUser:"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The embedded model, without its template."""
    path = tmp_path_factory.mktemp("models") / "glm-4.6.gguf"
    path.write_bytes(
        model_path().read_bytes().replace(b"tokenizer.chat_template", b"tokenizer.chat_templat_")
    )
    assert "tokenizer.chat_template" not in read_metadata(path)
    return path


@pytest.fixture
def load(path):
    models = []

    def start(**options):
        models.append(load_model("base", LlamaSettings(path=path, slots=1, context=256, **options)))
        return models[-1]

    yield start
    for model in models:
        asyncio.run(model.engine.close())


def generation(model, *messages, **fields):
    return model.generation(
        decode_request(json.dumps({"model": "m", "messages": messages, **fields}).encode())
    )


def test_it_is_served_as_text_that_ends_at_the_next_question(load):
    model = load()
    asked = generation(model, *DIALOGUE)

    assert model.format is TEXT
    assert asked.prompt == "Be kind.\n\nUser:\nHi\n\nAssistant:\nHello\n\nUser:\nA poem\n\nAssistant:\n"
    assert asked.request.stops == STOPS
    assert generation(model, USER, stop="END").request.stops == ["END"]


def test_its_request_can_be_planned_again(load):
    """As another process does that takes the turn over."""
    model = load()
    request = generation(model, USER).request

    assert model.generation(request).request == request


@pytest.mark.parametrize("format", ["", "glm-4.6"])
def test_a_given_template_takes_precedence(load, format):
    model = load(chat_template="<|user|>{{ messages[0].content }}", format=format)
    asked = generation(model, USER)

    assert (asked.prompt, asked.request.stops) == ("<|user|>Hi", [])


def test_a_given_format_remains(load):
    assert load(format="glm-4.6").format is FORMATS["glm-4.6"]


def test_a_file_without_a_tokenizer_is_rejected_and_the_option_is_named(tmp_path):
    path = gguf(tmp_path / "m.gguf", {"general.architecture": "llama"})
    for template in ("", "{{ messages[0].content }}"):
        with pytest.raises(OptionError, match="^path: .*m.gguf has no tokenizer") as caught:
            load_model("m", LlamaSettings(path=path, chat_template=template))
        assert caught.value.option == "path"


def test_tools_are_described_in_the_dialogue_and_a_call_can_be_forced(load):
    weather = {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"enum": ["Rome"]}}},
    }
    tools = [{"type": "function", "function": weather}]
    fields = {"tools": tools, "tool_choice": "required", "parallel_tool_calls": False}
    request = {"model": "base", "messages": [USER], "do_sample": False, **fields}
    model = load()
    with LocalServer(App(ModelRegistry([model]), Settings())) as server:
        answer = httpx2.post(f"{server.url}{CHAT}", json=request, trust_env=False, timeout=60).json()
    (call,) = answer["choices"][0]["message"]["tool_calls"]

    assert json.dumps(weather) in generation(model, USER, tools=tools).prompt
    assert call["function"]["name"] == "weather"
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
