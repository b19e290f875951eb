"""The manifests of deploy/kubernetes/: valid, and in agreement with the server, its options and each other."""

import itertools

import kubernetes_validate
import pytest
import yaml

from headrace.configuration import configure
from headrace.server.metrics import table
from proxies import DEPLOY

FILES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
OBJECTS = {
    (manifest["kind"], manifest["metadata"]["name"]): manifest
    for path in FILES
    for manifest in yaml.safe_load_all(path.read_text())
}
DEPLOYMENT = OBJECTS["Deployment", "headrace"]["spec"]
POD = DEPLOYMENT["template"]["spec"]
CONTAINER = POD["containers"][0]
AUTOSCALER = OBJECTS["HorizontalPodAutoscaler", "headrace"]["spec"]
LATE = 5
"""Seconds after which the last node or load balancer learns that a pod ends."""


@pytest.mark.parametrize("manifest", OBJECTS.values(), ids=map("-".join, OBJECTS))
def test_each_has_the_published_schema(manifest):
    assert kubernetes_validate.validate(manifest, "1.37", strict=True) == "1.37"


def test_a_field_that_does_not_exist_is_found():
    misspelt = {**OBJECTS["Service", "headrace"], "spec": {"sessionAfinity": "None"}}
    with pytest.raises(kubernetes_validate.ValidationError, match="sessionAfinity"):
        kubernetes_validate.validate(misspelt, "1.37", strict=True)


@pytest.mark.parametrize("kind", ["Service", "PodDisruptionBudget", "Deployment"])
def test_selectors_find_the_pods(kind):
    selector = OBJECTS[kind, "headrace"]["spec"]["selector"]
    assert selector.get("matchLabels", selector) == DEPLOYMENT["template"]["metadata"]["labels"]
    assert all(
        spread["labelSelector"]["matchLabels"] == DEPLOYMENT["template"]["metadata"]["labels"]
        for spread in POD["topologySpreadConstraints"]
    )


def test_the_probes_ask_the_right_paths_and_readiness_fails_first():
    paths = {
        name: CONTAINER[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")
    }
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    settings = configure({"config": str(DEPLOY / "headrace.toml")}, {}).settings
    served = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"] + settings.drain_delay
    probe = CONTAINER["readinessProbe"]
    assert served > LATE + probe["periodSeconds"]
    assert settings.drain_delay > probe["failureThreshold"] * probe["periodSeconds"]
    assert not POD["enableServiceLinks"]


def test_a_variable_is_an_option_and_the_store_is_the_redis_beside_it():
    variables = {each["name"]: each["value"] for each in CONTAINER["env"]}
    assert variables.pop("HEADRACE_CONFIG") == "/etc/headrace/headrace.toml"
    configured = configure({"config": str(DEPLOY / "headrace.toml")}, variables)
    redis = OBJECTS["Service", "redis"]
    assert configured.settings.turns.store == f"redis://redis:{redis['spec']['ports'][0]['port']}/0"
    assert configured.warnings == []
    (claim,) = OBJECTS["StatefulSet", "redis"]["spec"]["volumeClaimTemplates"]
    container = OBJECTS["StatefulSet", "redis"]["spec"]["template"]["spec"]["containers"][0]
    assert container["volumeMounts"] == [{"name": claim["metadata"]["name"], "mountPath": "/data"}]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["redis"]
    assert (container["args"], container["image"]) == (compose["command"], compose["image"])


def test_the_autoscaler_reads_gauges_that_the_server_has():
    names = {metric["pods"]["metric"]["name"] for metric in AUTOSCALER["metrics"]}
    assert names == {table.IN_FLIGHT.name, table.QUEUED.name}
    assert AUTOSCALER["scaleTargetRef"]["name"] == "headrace"
    assert "replicas" not in DEPLOYMENT


def test_a_stream_moves_at_most_once_when_the_load_falls():
    """The autoscaler's rule, each second for two hours: 12 replicas, whose load falls to nothing in ten minutes."""
    down = AUTOSCALER["behavior"]["scaleDown"]
    (policy,) = down["policies"]
    pods, window, removed = AUTOSCALER["maxReplicas"], [], []
    for second in range(7200):
        wanted = max(AUTOSCALER["minReplicas"], round(12 * (1 - second / 600)))
        window = [*window, wanted][-down["stabilizationWindowSeconds"] :]
        recent = sum(second - at < policy["periodSeconds"] for at in removed)
        if max(window) < pods and recent < policy["value"]:
            pods -= 1
            removed.append(second)
    answers = configure({"config": str(DEPLOY / "headrace.toml")}, {}).settings.shutdown_timeout

    assert pods == AUTOSCALER["minReplicas"]
    # Of an answer that lasts as long as a server waits for one, at most one removal is seen.
    assert all(later - earlier > answers for earlier, later in itertools.pairwise(removed))
