"""Headrace in front of a real vLLM or SGLang, and llama.cpp on the same weights. `make peers` runs these tests.

At the end, a table shows what held; docs/engines.md has it.
"""

from collections import defaultdict
from contextlib import contextmanager

import httpx2
import pytest

from headrace.configuration import ModelOptions
from headrace.configuration.discovery import discover_models
from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings
from peer_servers import PEERS, SglangServer, VllmServer

collect_ignore_glob = [] if PEERS.name else ["test_*.py"]
KINDS = [VllmServer, *([SglangServer] if (PEERS / "sglang" / "complete").exists() else [])]
OUTCOMES = defaultdict(lambda: defaultdict(list))  # by test, then by column


def pytest_runtest_logreport(report):
    name, _, parameters = report.nodeid.partition("[")
    file, _, test = name.rpartition("::")
    if "/peers/" in f"/{file}" and (report.when == "call" or report.failed):
        values = parameters.rstrip("]").split("-")
        engine = "chat" if "chat" in values else "completions"
        for kind in KINDS:
            if kind.__name__ in values:
                OUTCOMES[test][f"{kind.__doc__.partition(',')[0].rstrip('.')}, `{engine}`"].append(
                    report.outcome
                )


def pytest_terminal_summary(terminalreporter):
    columns = sorted({column for row in OUTCOMES.values() for column in row}, reverse=True)
    if columns:
        terminalreporter.write_line(f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for test, row in OUTCOMES.items():
        cells = " | ".join(held(row[column]) for column in columns)
        terminalreporter.write_line(f"| {test.removeprefix('test_').replace('_', ' ')} | {cells} |")


def held(outcomes):
    ran = [outcome for outcome in outcomes if outcome != "skipped"]
    return f"{ran.count('passed')} of {len(ran)}" if ran else "–"


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
