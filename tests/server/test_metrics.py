"""`GET /metrics`."""

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from headrace.engines import ScriptedEngine
from headrace.formats import FORMATS
from headrace.models import Model, ModelRegistry
from headrace.server import App, LocalServer, Settings


@pytest.fixture
def model():
    return Model(("glm-4.6", "headrace-tiny"), ScriptedEngine("Hi"), FORMATS["glm-4.6"], None)


def read(model, *, api_keys=(), **headers):
    with LocalServer(App(ModelRegistry([model]), Settings(api_keys=api_keys))) as server:
        return httpx2.get(f"{server.url}/metrics", headers=headers, trust_env=False)


def test_the_time_to_stop_after_a_disconnect_is_a_histogram(model):
    for seconds in (0.0002, 0.002, 0.002, 99.0):
        model.cancel_latency.observe(seconds)
    response = read(model)
    (family,) = text_string_to_metric_families(response.text)
    figures = {(s.name.rpartition("_")[2], s.labels.get("le")): s.value for s in family.samples}

    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert (family.name, family.type) == ("headrace_cancel_latency_seconds", "histogram")
    assert {sample.labels["model"] for sample in family.samples} == {"glm-4.6"}
    assert [figures["bucket", le] for le in ("0.0001", "0.0003", "0.003", "10.0", "+Inf")] == [0, 1, 3, 3, 4]
    assert (figures["count", None], figures["sum", None]) == (4, pytest.approx(99.0042))


def test_metrics_need_a_key(model):
    assert read(model, api_keys=("id.secret",)).status_code == 401
    assert read(model, api_keys=("id.secret",), authorization="Bearer id.secret").status_code == 200
