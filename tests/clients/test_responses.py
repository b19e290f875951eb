"""The clients of OpenAI's Responses, unchanged, with a model that calls tools; `make clients` installs them."""

import json

import pytest

from client_programs import CHECKS, MATRIX, NODE, environment_of, of_ai_6, run
from headrace.engines import ScriptedEngine
from headrace.errors import EngineError
from headrace.events import Finish, Text, TokenUsage
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from listening import GeneratedEngine

KEY = "client.secret"
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{{ tools | tojson }}"
CALL = "<tool_call>get_weather\n<arg_key>location</arg_key>\n<arg_value>Berlin</arg_value>\n</tool_call>"
CLIENTS = {
    # as in docs/apis.md: the environment, the program
    "`openai` 3.57.0": ("clients", "responses_openai.py"),
    "`openai-agents` 0.24.0": ("client-openai-agents", "responses_agents.py"),
    "`@openai/agents` 0.20.0": ("clients-npm", "responses_agents.mjs"),
    "`@ai-sdk/openai` 4.0.118, `ai` 7.0.173": ("clients-npm", "responses_ai.mjs"),
    "`@ai-sdk/openai` 3.0.141, `ai` 6.0.326": ("clients-npm", "responses_ai.mjs"),
}


class Assistant(GeneratedEngine):
    """Calls a tool once, answers with JSON if that is wanted, and otherwise with a greeting."""

    async def generate(self, generation):
        request, text = generation.request, "Hi there."
        if request.response_format.type != "text":
            text = json.dumps({"name": "Berlin"})
        elif request.tools:
            text = "It is sunny." if request.messages[-1].role == "tool" else CALL
        text = f"<think>I think.</think>{text}"
        for at in range(0, len(text), 3):
            yield [Text(text[at : at + 3])]
        yield [Finish("stop", TokenUsage(len(generation.prompt), len(text) // 3 + 1))]


@pytest.fixture(scope="module")
def url():
    format, template = FORMATS["glm-4.6"], ChatTemplate(TEMPLATE)
    slow = ["one", " two", " three", " four", " five", " six", " seven", " eight", " nine", " ten"]
    engines = {
        "glm-4.6": Assistant(),
        "slow": ScriptedEngine(["<think></think>", *slow], delay=0.05),
        "failing": ScriptedEngine(["<think></think>Once", EngineError("the GPU is gone")]),
    }
    models = ModelRegistry(Model((name,), engine, format, template) for name, engine in engines.items())
    with LocalServer(App(models, Settings(api_keys=(KEY,)))) as server:
        yield f"{server.url}/v1"


@pytest.mark.parametrize("client", CLIENTS)
def test_an_unchanged_client_checks_what_the_documentation_says(client, url):
    name, file = CLIENTS[client]
    place, program = environment_of(name), (CHECKS / file).read_text()
    environment = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY}
    if "`ai` 6" in client:
        program = of_ai_6(program)
    if file.endswith(".mjs"):
        command = [NODE, "--input-type=module", "-"]
        checked = run(command, input=program, cwd=place, variables=environment)
    else:
        checked = run([place / "bin/python", "-"], input=program, variables=environment)

    assert set(checked.splitlines()) == MATRIX[client]
