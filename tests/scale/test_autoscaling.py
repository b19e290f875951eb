"""How many replicas Ray Serve runs for how many turns, with the configuration of deploy/ray."""

import itertools
from types import SimpleNamespace

import pytest
import yaml

from headrace.scale.autoscaling import TURNS, replicas_for_turns
from proxies import DEPLOY

(DEPLOYMENT,) = yaml.safe_load((DEPLOY / "ray" / "serve.yaml").read_text())["applications"][0]["deployments"]
SCALING = DEPLOYMENT["autoscaling_config"]
EACH = SCALING["target_ongoing_requests"]
LEAST, MOST = SCALING["min_replicas"], SCALING["max_replicas"]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray uses pydantic's old names


def context(metrics, target=LEAST):
    config = SimpleNamespace(target_ongoing_requests=EACH)
    return SimpleNamespace(aggregated_metrics=metrics, config=config, target_num_replicas=target)


@pytest.mark.parametrize(
    ("turns", "replicas"),
    [
        ([0, 0, 0], 0),
        ([1, 0, 0], 1 / EACH),
        ([EACH, EACH, EACH], 3),
        ([EACH, EACH, EACH, 1], 3 + 1 / EACH),  # which Ray rounds up
        ([10 * EACH, 0, 0], 10),
    ],
)
def test_the_turns_of_all_replicas_are_shared_out(turns, replicas):
    metrics = {TURNS: dict(enumerate(turns)), "ongoing_requests": {0: 10_000}}
    assert replicas_for_turns(context(metrics)) == (pytest.approx(replicas), {})


@pytest.mark.parametrize("metrics", [{}, {TURNS: {}}, {"ongoing_requests": {0: 10_000}}])
def test_without_any_report_the_number_of_replicas_stays(metrics):
    assert replicas_for_turns(context(metrics, target=7)) == (7, {})


class RayDeployment:
    """Ray's own decisions for the deployment, whose clock runs as fast as they are asked for."""

    def __init__(self, monkeypatch, replicas):
        pytest.importorskip("ray", reason="`make ray` installs Ray in an environment of its own")
        from ray.serve import autoscaling_policy
        from ray.serve._private import autoscaling_state
        from ray.serve._private.common import DeploymentID
        from ray.serve._private.config import DeploymentConfig
        from ray.serve.config import AutoscalingConfig

        self.now = 0
        self.replicas = replicas
        clock = SimpleNamespace(time=lambda: self.now)
        monkeypatch.setattr(autoscaling_policy, "time", clock)
        monkeypatch.setattr(autoscaling_state, "time", clock)
        monkeypatch.setattr(
            autoscaling_state, "ServeUsageTag", SimpleNamespace(CUSTOM_AUTOSCALING_POLICY_USED=self)
        )
        self._id = DeploymentID(name="Headrace", app_name="headrace")
        self._state = autoscaling_state.DeploymentAutoscalingState(self._id)
        config = DeploymentConfig(autoscaling_config=AutoscalingConfig(**SCALING))
        info = SimpleNamespace(deployment_config=config, target_capacity=None, target_capacity_direction=None)
        self._state.register(info, replicas)

    def record(self, _):
        """Ignore Ray's telemetry."""

    def run(self, seconds, turns):
        """Let so many turns run, spread evenly; return when the number of replicas changed, and to what."""
        from ray.serve._private.common import ReplicaID, ReplicaMetricReport, TimeStampedValue

        changes = []
        for _ in range(seconds):
            self.now += 1
            ids = [ReplicaID(str(number), deployment_id=self._id) for number in range(self.replicas)]
            self._state.update_running_replica_ids(ids)
            for id in ids if turns is not None else ():
                share = {TURNS: [TimeStampedValue(self.now, turns / self.replicas)]}
                self._state.record_request_metrics_for_replica(ReplicaMetricReport(id, share, self.now))
            replicas = self._state.get_decision_num_replicas(self.replicas)
            if replicas != self.replicas:
                changes.append((self.now, replicas))
                self.replicas = replicas
        return changes


@pytest.mark.parametrize(
    ("turns", "replicas"),
    [(0, LEAST), (LEAST * EACH, LEAST), (LEAST * EACH + 1, LEAST + 1), (5 * EACH, 5), (100 * EACH, MOST)],
)
def test_ray_starts_as_many_replicas_as_the_turns_need_within_its_bounds(monkeypatch, turns, replicas):
    ray = RayDeployment(monkeypatch, LEAST)
    ray.run(60, turns)

    assert ray.replicas == replicas


def test_ray_removes_one_replica_at_a_time_and_so_slowly_that_a_stream_moves_at_most_once(monkeypatch):
    ray = RayDeployment(monkeypatch, MOST)
    changes = ray.run(7200, 0)

    assert [replicas for _, replicas in changes] == list(range(MOST - 1, LEAST - 1, -1))
    times = [0, *(at for at, _ in changes)]
    grace = DEPLOYMENT["graceful_shutdown_timeout_s"]  # no answer lasts longer
    assert all(later - earlier > grace for earlier, later in itertools.pairwise(times))


def test_ray_keeps_the_replicas_whose_turns_it_does_not_know(monkeypatch):
    assert RayDeployment(monkeypatch, 7).run(7200, None) == []
