"""What is counted and timed of a turn."""

import asyncio

import pytest

from fake_limiter import FakeLimiter
from headrace.engines import ScriptedEngine
from headrace.events import TokenUsage
from headrace.formats import FORMATS
from headrace.limits import Admission, KeyLimits, LimitSettings
from headrace.models import Model
from headrace.prompts import ChatTemplate
from headrace.server.metrics import Metrics
from headrace.server.metrics.cells import open_cells
from headrace.server.metrics.exposition import encode
from headrace.server.metrics.instruments import Instruments
from headrace.server.metrics.table import METRICS, Kind
from headrace.server.metrics.turns import TurnSeries
from headrace.turns.intervals import Intervals
from headrace.turns.outcome import OutcomeKind
from metrics_text import outcome, samples

DURATION = "gen_ai_server_request_duration_seconds"


def new_metrics():
    admission = Admission(FakeLimiter(), LimitSettings, lambda _: KeyLimits())
    model = Model(("glm-4.6", "alias"), ScriptedEngine("Hi"), FORMATS["glm-4.6"], ChatTemplate("x"))
    return Metrics([model], admission)


def exposed(metrics):
    return samples(asyncio.run(metrics.encode()).decode())


def intervals(*seconds):
    noted, now = Intervals(), 1.0
    noted.start(now)
    for interval in seconds:
        now += interval
        noted.add(now)
    return noted


def observed(**fields):
    """What is exposed after one turn."""
    metrics = new_metrics()
    metrics.finished(outcome(**fields))
    return exposed(metrics)


@pytest.mark.parametrize(
    "metric", [each for each in METRICS if each.kind is Kind.HISTOGRAM], ids=lambda m: m.name
)
def test_forty_minutes_are_not_beyond_the_last_bucket_of_any_duration(metric):
    assert max(metric.bounds) == 2560.0
    assert sorted(metric.bounds) == list(metric.bounds)


def test_a_turn_of_half_an_hour_is_below_infinity_in_all_that_it_is_observed_in():
    times = {
        "seconds": 1900.0,
        "first_token_seconds": 1900.0,
        "queue_seconds": 1900.0,
        "stop_seconds": 1900.0,
    }
    found = observed(**times, intervals=intervals(1900.0))
    buckets = {key: value for key, value in found.items() if key[0].endswith("_bucket") and value}

    assert {(name, labels[-1]): value for (name, *labels), value in buckets.items()} == {
        (f"{name}_seconds_bucket", le): 1
        for name in (
            "gen_ai_server_request_duration",
            "gen_ai_server_time_to_first_token",
            "headrace_inter_delta",
            "headrace_longest_stall",
            "headrace_queue",
            "headrace_cancel_latency",
        )
        for le in ("2560.0", "+Inf")
    }


def test_series_of_a_served_model_exist_from_the_start():
    found = exposed(new_metrics())

    assert found["headrace_cancel_latency_seconds_count", "glm-4.6"] == 0
    assert found["headrace_turns_truncated_total", "glm-4.6"] == 0
    assert found["headrace_turns_in_flight", "glm-4.6"] == 0
    assert found[f"{DURATION}_count", "glm-4.6", "stop"] == 0


def test_the_durations_of_a_successful_turn():
    found = observed(
        seconds=5.0,
        first_token_seconds=1.0,
        queue_seconds=0.25,
        usage=TokenUsage(7, 5, 3, 2),
        intervals=intervals(0.5, 0.0005, 0.5, 2.0),
    )

    assert found[f"{DURATION}_sum", "glm-4.6", "stop"] == 5.0
    assert found["gen_ai_server_time_to_first_token_seconds_sum", "glm-4.6"] == 1.0
    assert found["gen_ai_server_time_per_output_token_seconds_sum", "glm-4.6"] == 1.0
    assert found["headrace_queue_seconds_sum", "glm-4.6"] == 0.25
    assert found["headrace_longest_stall_seconds_sum", "glm-4.6"] == 2.0
    assert found["headrace_inter_delta_seconds_count", "glm-4.6"] == 4
    assert found["headrace_inter_delta_seconds_sum", "glm-4.6"] == pytest.approx(3.0005)
    assert found["headrace_inter_delta_seconds_bucket", "glm-4.6", "0.001"] == 1
    assert found["headrace_inter_delta_seconds_bucket", "glm-4.6", "0.5"] == 3
    kinds = ("prompt", "cached", "completion", "reasoning")
    assert [found["headrace_tokens_total", "glm-4.6", kind] for kind in kinds] == [7, 3, 5, 2]


@pytest.mark.parametrize("is_relayed", [False, True])
def test_intervals_are_those_of_a_models_server_if_there_is_one(is_relayed):
    cells = open_cells(None)
    series = TurnSeries(Instruments(cells), "glm-4.6", is_relayed=is_relayed)
    series.finished(outcome(intervals=intervals(0.5, 2.0)))
    found = samples(encode([cells]).decode())
    name = "gen_ai_client_inference_time_per_output_chunk_seconds_count"

    assert found["headrace_inter_delta_seconds_count", "glm-4.6"] == 2
    assert found.get((name, "glm-4.6")) == (2 if is_relayed else None)


@pytest.mark.parametrize("kind", OutcomeKind)
def test_latencies_are_those_of_successful_turns(kind):
    found = observed(kind=kind, first_token_seconds=1.0, usage=TokenUsage(1, 9), finish_reason="any")
    expected = 1 if kind.is_success else 0

    assert found[f"{DURATION}_count", "glm-4.6", kind] == 1
    assert found["gen_ai_server_time_to_first_token_seconds_count", "glm-4.6"] == expected
    assert found["gen_ai_server_time_per_output_token_seconds_count", "glm-4.6"] == expected


@pytest.mark.parametrize(
    ("kind", "finish_reason", "truncated"),
    [
        (OutcomeKind.STOP, "stop", 0),
        (OutcomeKind.ENGINE_INCOMPLETE, "network_error", 1),
        (OutcomeKind.ENGINE_INCOMPLETE, "error", 0),  # before the first event
        (OutcomeKind.SHUTDOWN, "network_error", 1),
        (OutcomeKind.CLIENT_DISCONNECT, "network_error", 0),
        (OutcomeKind.CANCELLED, "stop", 0),
    ],
)
def test_a_truncated_answer_is_one_that_began_and_whose_client_was_there(kind, finish_reason, truncated):
    found = observed(kind=kind, finish_reason=finish_reason)

    assert found["headrace_turns_truncated_total", "glm-4.6"] == truncated


def test_the_time_to_stop_of_cancelled_turns():
    metrics = new_metrics()
    for seconds in (0.0002, 0.002, 0.002, 99.0, None):
        metrics.finished(outcome(kind=OutcomeKind.CANCELLED, stop_seconds=seconds))
    found = exposed(metrics)
    buckets = ("0.0001", "0.00025", "0.0025", "80.0", "160.0", "+Inf")

    assert [found["headrace_cancel_latency_seconds_bucket", "glm-4.6", le] for le in buckets] == [
        0,
        1,
        3,
        3,
        4,
        4,
    ]
    assert found["headrace_cancel_latency_seconds_sum", "glm-4.6"] == pytest.approx(99.0042)


def test_keys_beyond_the_first_hundred_share_their_series():
    metrics = new_metrics()
    for number in range(150):
        for _ in range(2):
            metrics.finished(outcome(owner=f"key{number}", usage=TokenUsage(3, 4)))
    found = exposed(metrics)
    by_key = {key: value for (name, key, *_), value in found.items() if name == "headrace_key_turns_total"}

    assert by_key == {**{f"key{number}": 2 for number in range(100)}, "other": 100}
    assert found["headrace_key_tokens_total", "other", "prompt"] == 300
