"""64 schemas and 40 tools' parameters as pydantic and zod write them, through the clients that send them.

Each request is accepted or refused with a documented error, and an answer conforms unless it was cut off. The
models' words don't matter. HEADRACE_GGUF=FILE adds a model, of the family HEADRACE_GGUF_FORMAT, or Hermes.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from client_programs import NODE, environment_of, run
from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings

# What a sampled model writes differs from run to run, so that one run proves little and many take long.
pytestmark = pytest.mark.nightly

PROGRAMS = Path(__file__).parent / "structured"
FOREIGN = os.environ.get("HEADRACE_GGUF")
FORMAT = os.environ.get("HEADRACE_GGUF_FORMAT", "hermes")
TIMEOUT = 1800 if FOREIGN else 120  # seconds
CLIENTS = {
    # the environment, the program, and what it cannot have: openai's and ai's schemas are strict
    "openai": ("clients", "ask_openai.py", set()),
    "pydantic-ai": ("client-pydantic-ai-slim", "ask_pydantic_ai.py", set()),
    "instructor": ("client-instructor", "ask_instructor.py", set()),
    "npm's ai": ("clients-npm", "ask_ai.mjs", set()),
}


@pytest.fixture(scope="module")
def url():
    models = [load_model("", LlamaSettings())]
    if FOREIGN:
        models.append(load_model("foreign", LlamaSettings(path=Path(FOREIGN), format=FORMAT)))
    with LocalServer(App(ModelRegistry(models), Settings())) as server:
        yield server.url


def outcomes(client, url, model):
    name, file, _ = CLIENTS[client]
    place, program = environment_of(name), PROGRAMS / file
    if program.suffix == ".mjs":
        command = [NODE, "--input-type=module", "-", url, model]
        shown = run(command, timeout=TIMEOUT, input=program.read_text(), cwd=place)
    else:
        shown = run([place / "bin/python", program, url, model], timeout=TIMEOUT)
    lines = [json.loads(line) for line in shown.splitlines()]
    print(client, model, Counter((kind, outcome) for kind, _, outcome in lines))
    assert len(lines) == 52
    return {(kind, form): outcome for kind, form, outcome in lines}


def refused(found):
    return {key for key, outcome in found.items() if outcome not in ("conforming", "length")}


@pytest.mark.parametrize("client", CLIENTS)
def test_every_accepted_schema_is_conformed_to(client, url):
    found = outcomes(client, url, "glm-4.6")

    assert refused(found) == CLIENTS[client][2]
    assert list(found.values()).count("conforming") > 20


@pytest.mark.skipif(not FOREIGN, reason="HEADRACE_GGUF is not set")
@pytest.mark.parametrize("client", CLIENTS)
def test_another_model_conforms_as_well(client, url):
    found = outcomes(client, url, "foreign")

    assert refused(found) == CLIENTS[client][2]
