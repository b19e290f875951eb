"""Prometheus' rules and Grafana's dashboard use metrics, labels and outcomes that exist, and alerts fire."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from headrace.server.metrics import table
from proxies import DEPLOY

RULES = yaml.safe_load((DEPLOY / "prometheus-rules.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/headrace.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = {f"alert {rule['alert']}": rule["expr"] for rule in RULES} | {
    f"panel {panel['title']}, {target['refId']}": target["expr"]
    for panel in PANELS
    for target in panel["targets"]
}
METRIC = re.compile(r"\b((?:gen_ai|headrace)_[a-z_]+)(?:\{([^}]*)\})?")
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="Prometheus is not installed")


def metric_of(name):
    """The metric that has this series."""
    return table.BY_NAME.get(name) or table.BY_NAME[re.sub("_(bucket|count|sum)$", "", name)]


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_uses_metrics_and_labels_that_exist(query):
    grouped = {label for labels in re.findall(r"by \(([^)]*)\)", query) for label in labels.split(", ")}
    known = {"le", "instance", "job", "metric"}
    for name, selector in METRIC.findall(query):
        metric = metric_of(name)
        assert name.endswith(("_bucket", "_count", "_sum")) == (metric.kind == "histogram")
        assert set(re.findall(r"(\w+)=", selector)) <= {*metric.labels, "le"}
        known.update(metric.labels)
    assert grouped <= known


def test_failures_are_the_outcomes_that_are_a_fault_of_the_service():
    from headrace.turns.outcome import OutcomeKind

    used = {pattern for query in QUERIES.values() for pattern in re.findall(r'outcome=~"([^"]*)"', query)}
    failures = {
        kind
        for kind in OutcomeKind
        if not kind.is_success
        and not kind.is_cancellation
        and kind not in (OutcomeKind.REJECTED, OutcomeKind.LIMIT)
    }
    for pattern in used:
        assert {kind for kind in OutcomeKind if re.fullmatch(pattern, kind)} == failures


def test_the_rule_about_buckets_covers_every_duration():
    (rule,) = (rule for rule in RULES if rule["alert"] == "HeadraceBucketsTooSmall")
    (pattern,) = set(re.findall(r'__name__=~"([^"]*)"', rule["expr"]))
    histograms = [metric for metric in table.METRICS if metric.kind == "histogram"]
    assert histograms
    for metric in histograms:
        assert re.fullmatch(pattern, f"{metric.name}_bucket")
        assert metric.bounds[-1] == 2560


def test_every_alert_is_tested():
    tests = yaml.safe_load((DEPLOY.parent / "tests/deploy/prometheus-rules.test.yml").read_text())["tests"]
    tested = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert tested == {rule["alert"] for rule in RULES}


@needs_promtool
def test_the_alerts_fire(tmp_path):
    for path in (DEPLOY / "prometheus-rules.yml", DEPLOY.parent / "tests/deploy/prometheus-rules.test.yml"):
        shutil.copy(path, tmp_path)
    command = ["promtool", "test", "rules", tmp_path / "prometheus-rules.test.yml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_prometheus_reads_its_configuration():
    command = ["promtool", "check", "config", "--syntax-only", DEPLOY / "prometheus.yml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_do_not_overlap_and_have_one_data_source():
    cells = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < 24
                assert (x, y) not in cells, panel["title"]
                cells.add((x, y))
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert {json.dumps(panel["datasource"]) for panel in PANELS} == {
        '{"type": "prometheus", "uid": "${datasource}"}'
    }
