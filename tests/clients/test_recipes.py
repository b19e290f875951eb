"""The recipes of docs/clients.md: each is run, followed by its checks, against the embedded model.

`make clients` installs every client into an environment of its own; without it these tests are skipped.
"""

import json
import re
from pathlib import Path

import pytest

from client_programs import MATRIX, NODE, environment_of, of_ai_6, run
from headrace.engines import ScriptedEngine
from headrace.errors import EngineError
from headrace.formats import FORMATS
from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from headrace.wire.unknown_fields import KNOWN_FIELDS

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]
CHECKS = HERE / "checks"
KEY = "client.secret"
RECIPES = dict(
    re.findall(
        r"^## (.+?)\n.*?^```(?:python|js)\n(.*?)^```",
        (ROOT / "docs/clients.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
)
CLIENTS = {
    # the section of docs/clients.md: the environment, the checks
    "openai": ("clients", "check_openai.py"),
    "anthropic": ("client-anthropic", "check_anthropic.py"),
    "zai-sdk": ("clients", "check_zai_sdk.py"),
    "AG2": ("client-ag2", "check_ag2.py"),
    "langchain-openai": ("client-langchain-openai", "check_langchain_openai.py"),
    "pydantic-ai": ("client-pydantic-ai-slim", "check_pydantic_ai.py"),
    "openai-agents": ("client-openai-agents", "check_openai_agents.py"),
    "litellm": ("client-litellm", "check_litellm.py"),
    "instructor": ("client-instructor", "check_instructor.py"),
    "llama-index": ("client-llama-index-llms-openai-like", "check_llama_index.py"),
    "npm's openai": ("clients-npm", "check_openai.mjs"),
    "npm's ai, with @ai-sdk/openai-compatible": ("clients-npm", "check_ai.mjs"),
    "npm's ai, with @ai-sdk/anthropic": ("clients-npm", "check_ai_anthropic.mjs"),
}


@pytest.fixture(scope="module")
def url():
    failing = Model(
        ("failing",),
        ScriptedEngine(["Once", EngineError("the GPU is gone")]),
        FORMATS["glm-4.6"],
        ChatTemplate("Hi"),
    )
    models = ModelRegistry([load_model("", LlamaSettings()), failing])
    with LocalServer(App(models, Settings(api_keys=(KEY,)))) as server:
        yield server.url


def test_every_recipe_is_run():
    assert list(RECIPES) == list(CLIENTS)


def test_the_clients_in_the_documentation_are_those_that_are_installed():
    installed = dict(re.findall(r"([\w-]+)(?:\[.*?\])?==([\d.]+)", (HERE / "requirements.txt").read_text()))
    installed |= dict(re.findall(r"([\w-]+)==([\d.]+)", (ROOT / "Makefile").read_text()))
    of_npm = json.loads((HERE / "package.json").read_text())["dependencies"]
    installed |= {name: version for name, version in of_npm.items() if name != "openai"}
    pairs = {pair for row in MATRIX for pair in re.findall(r"`(.+?)` ([\d.]+)", row)}

    assert len(MATRIX) == 10
    assert pairs - installed.items() == {
        (name.removesuffix("-6"), version.rpartition("@")[2])
        for name, version in of_npm.items()
        if name.endswith("-6")
    }


OF_MESSAGES = {
    # as in docs/apis.md: the recipe
    "`anthropic` 2.14.0": "anthropic",
    "`@ai-sdk/anthropic` 4.0.105, `ai` 7.0.173": "npm's ai, with @ai-sdk/anthropic",
    "`@ai-sdk/anthropic` 3.0.140, `ai` 6.0.326": "npm's ai, with @ai-sdk/anthropic",
}


@pytest.mark.parametrize("client", [client for client in CLIENTS if client not in OF_MESSAGES.values()])
def test_a_recipe_works(client, url):
    run_recipe(client, url)


@pytest.mark.parametrize("client", OF_MESSAGES)
def test_a_client_of_messages_checks_what_the_documentation_says(client, url):
    checked = run_recipe(OF_MESSAGES[client], url, of_ai_6 if "`ai` 6" in client else None)
    assert set(checked.splitlines()) == MATRIX[client]


def run_recipe(client, url, change=None):
    name, checks = CLIENTS[client]
    place = environment_of(name)
    recipe = RECIPES[client].replace("http://127.0.0.1:8000", url).replace('"any"', f'"{KEY}"')
    program = f"{recipe}\n{(CHECKS / checks).read_text()}"
    program = change(program) if change else program
    if checks.endswith(".mjs"):
        return run([NODE, "--input-type=module"], input=program, cwd=place)
    return run([place / "bin/python", "-"], input=program)


OPENAI_FIELDS = """
from openai.types.chat import completion_create_params as params
print(*params.CompletionCreateParamsBase.__annotations__)
"""
ZAI_FIELDS = """
import inspect
from zai.api_resource.chat.completions import Completions
print(*inspect.signature(Completions.create).parameters)
"""
NO_FIELDS = {"self", "extra_headers", "extra_body", "timeout"}


@pytest.mark.parametrize("program", [OPENAI_FIELDS, ZAI_FIELDS], ids=["openai", "zai-sdk"])
def test_every_field_of_an_official_client_has_a_treatment(program):
    fields = set(run([environment_of("clients") / "bin/python", "-c", program]).split())
    assert len(fields) > 20
    assert fields - NO_FIELDS <= KNOWN_FIELDS


def test_a_provider_check_finds_no_failure(url):
    """Of the server: `chat.pong` wants a certain word of the model."""
    program = environment_of("client-trustedrouter-provider-check") / "bin/trustedrouter-provider-check"
    command = [program, "--base-url", f"{url}/v1", "--api-key", KEY, "--model", "glm-4.6", "--tier", "6"]
    report = run([*command, "--max-sweep-models", "3"], codes=(0, 1))

    statuses = {check: status for status, check in re.findall(r"^\d +(\w+) +([\w.-]+)", report, re.MULTILINE)}
    assert statuses["stream.done"] == statuses["tools.round-trip"] == "PASS"
    assert {check for check, status in statuses.items() if status == "FAIL"} <= {"chat.pong"}


def test_the_recipe_of_headrace_js_for_the_ai_sdk_works(url):
    readme = (ROOT / "packages/headrace-js/README.md").read_text()
    recipe = re.search(r"^## Vercel's AI SDK\n.*?^```js\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)[1]
    program = recipe.replace("http://127.0.0.1:8000", url).replace('"any"', f'"{KEY}"')

    assert run([NODE, "--input-type=module"], input=program, cwd=environment_of("clients-npm")).strip()


def test_the_types_of_headrace_js_are_those_that_a_program_needs(tmp_path):
    compiler = environment_of("clients-npm") / "node_modules/typescript/bin/tsc"
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/headrace").symlink_to(ROOT / "packages/headrace-js")
    (tmp_path / "reader.ts").write_text((CHECKS / "reader.ts").read_text())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    options = ["--strict", "--noEmit", "--target", "es2024", "--module", "nodenext", "--lib", "es2024,dom"]

    run([NODE, compiler, *options, "reader.ts"], cwd=tmp_path)
