"""What is exposed at /metrics, read by the parser of Prometheus' client."""

from prometheus_client.parser import text_string_to_metric_families

from headrace.events import TokenUsage
from headrace.server.metrics.table import BY_NAME
from headrace.turns import OutcomeKind, TurnOutcome

__all__ = ["outcome", "samples", "scrape"]


def samples(text):
    """The values by name and labels, as `samples(text)["name", "first label", …]`; `le` is the last one."""
    return {
        (sample.name, *(sample.labels[name] for name in (*_labels(family), "le") if name in sample.labels)): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _labels(family):
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return BY_NAME[name].labels


def scrape(client):
    response = client.get("/metrics")
    assert response.status_code == 200, response.text
    return samples(response.text)


def outcome(**fields):
    return TurnOutcome(
        **{
            "id": "t1",
            "owner": "",
            "model": "glm-4.6",
            "kind": OutcomeKind.STOP,
            "finish_reason": "stop",
            "usage": TokenUsage(),
            "seconds": 1.0,
            **fields,
        }
    )
