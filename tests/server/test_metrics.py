"""`GET /metrics`, in Prometheus' text format."""

import time

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from headrace.engines import ScriptedEngine
from headrace.errors import EngineError
from headrace.events import TokenUsage
from headrace.formats import FORMATS
from headrace.models import Model, ModelRegistry
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Settings
from headrace.server.metrics import Metrics
from headrace.turns.outcome import CancelledBy, TurnOutcome
from wire_client import CALL, CHAT, HELLO, WEATHER


def families(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


def outcome(**fields):
    return TurnOutcome(
        **{
            "id": "t1",
            "owner": "",
            "model": "glm-4.6",
            "finish_reason": "stop",
            "usage": TokenUsage(),
            "error": "",
            "seconds": 1.0,
            "first_token_seconds": None,
            "cancelled_by": None,
            "stop_seconds": None,
            **fields,
        }
    )


def test_the_time_to_stop_of_cancelled_turns():
    metrics = Metrics(["glm-4.6", "other"])
    for seconds in (0.0002, 0.002, 0.002, 99.0, None):
        metrics.finished(outcome(cancelled_by=CancelledBy.DELETE, stop_seconds=seconds))
    latency = families(metrics.encode().decode())["headrace_cancel_latency_seconds"]
    figures = {
        (sample.labels["model"], sample.name.rpartition("_")[2], sample.labels.get("le")): sample.value
        for sample in latency.samples
    }

    assert latency.type == "histogram"
    assert [figures["glm-4.6", "bucket", le] for le in ("0.0001", "0.0003", "0.003", "10.0", "+Inf")] == [
        0,
        1,
        3,
        3,
        4,
    ]
    assert (figures["glm-4.6", "count", None], figures["glm-4.6", "sum", None]) == (4, pytest.approx(99.0042))
    assert figures["other", "count", None] == 0  # exists before the first observation


def model(engine):
    return Model(("glm-4.6", "alias"), engine, FORMATS["glm-4.6"], ChatTemplate("x"))


def finished(client):
    """The number of finished turns by model and finish reason."""
    family = families(client.get("/metrics").text)["headrace_turns_finished"]
    return {
        (sample.labels["model"], sample.labels["finish_reason"]): sample.value
        for sample in family.samples
        if sample.name == "headrace_turns_finished_total"
    }


def test_finished_turns_are_counted_by_model_and_by_the_finish_reason_that_the_client_received():
    engine = ScriptedEngine(CALL)
    with (
        LocalServer(App(ModelRegistry([model(engine)]), Settings())) as server,
        httpx2.Client(base_url=server.url, trust_env=False) as client,
    ):
        received = []
        for name in ("glm-4.6", "ALIAS"):
            answer = client.post(CHAT, json={**HELLO, "model": name, "tools": [WEATHER]}).json()
            received.append(answer["choices"][0]["finish_reason"])
        deadline = time.monotonic() + 5
        while (counts := finished(client)) != {("glm-4.6", "tool_calls"): 2}:
            assert time.monotonic() < deadline, counts

    assert received == ["tool_calls"] * 2


def test_a_turn_that_fails_before_its_first_event_is_counted_as_an_error():
    with (
        LocalServer(
            App(ModelRegistry([model(ScriptedEngine([EngineError("no GPU")]))]), Settings())
        ) as server,
        httpx2.Client(base_url=server.url, trust_env=False) as client,
    ):
        assert client.post(CHAT, json=HELLO).status_code == 500
        deadline = time.monotonic() + 5
        while (counts := finished(client)) != {("glm-4.6", "error"): 1}:
            assert time.monotonic() < deadline, counts


def test_metrics_need_a_key_if_the_server_has_keys():
    app = App(ModelRegistry([model(ScriptedEngine("Hi"))]), Settings(api_keys=("id.secret",)))
    with LocalServer(app) as server:
        for headers, status in (({}, 401), ({"authorization": "Bearer id.secret"}, 200)):
            response = httpx2.get(f"{server.url}/metrics", headers=headers, trust_env=False)

            assert response.status_code == status
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
