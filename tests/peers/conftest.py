"""Headrace in front of a real vLLM or SGLang, and llama.cpp on the same weights. `make peers` runs these tests."""

from contextlib import contextmanager

import httpx2
import pytest

from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings
from headrace.server.configuration import ModelOptions
from headrace.server.discovery import discover_models
from peer_servers import PEERS, SglangServer, VllmServer

collect_ignore_glob = [] if PEERS.name else ["test_*.py"]
KINDS = [VllmServer, *([SglangServer] if (PEERS / "sglang" / "complete").exists() else [])]


@pytest.fixture(scope="session", params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture(scope="session")
def peer(kind):
    with kind() as server:
        yield server


@contextmanager
def serve(*models):
    """Start Headrace on these models; return a client."""
    with (
        LocalServer(App(ModelRegistry(models), Settings())) as server,
        httpx2.Client(base_url=server.url, trust_env=False, timeout=120) as client,
    ):
        yield client


def upstream(server, **values):
    """The model of a server, as `headrace serve --upstream URL` finds it."""
    (found,) = discover_models(ModelOptions("", "here", {"url": f"{server.url}/v1", **values}), {})
    return load_model("glm-4.6", found.options.settings())


@pytest.fixture(scope="session")
def llama():
    """A client of the same weights in llama.cpp."""
    with serve(load_model("glm-4.6", LlamaSettings(path=PEERS / "f32.gguf", threads=1))) as client:
        yield client


@pytest.fixture(scope="session")
def detected(peer):
    return upstream(peer, chat_template=str(PEERS / "hf"))


@pytest.fixture(scope="session")
def completions(peer):
    with serve(upstream(peer, engine="completions", chat_template=str(PEERS / "hf"))) as client:
        client.upstream = peer
        yield client


@pytest.fixture(scope="session")
def chat(kind):
    with kind(parses=True) as server, serve(upstream(server, engine="chat")) as client:
        client.upstream = server
        yield client


@pytest.fixture(scope="session", params=["completions", "chat"])
def either(request, kind):
    """One of the engines in front of one of the servers."""
    return request.getfixturevalue(request.param)
