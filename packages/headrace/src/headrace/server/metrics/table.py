"""The names, labels and buckets of all metrics: the only place that has them.

Those of the answers are OpenTelemetry's for servers (`gen_ai.server.*`), those of calls to models' servers
its names for clients (`gen_ai.client.inference.*`), both of v0.1.0 of its conventions for generative AI, as
Prometheus writes them. What OpenTelemetry does not name begins with `headrace_`.

No label has values that clients choose: a model that is not served, a route, a method or a key that does not
exist is `OTHER`. So the number of series does not grow with the number of requests.
"""

import enum
from typing import Final

import msgspec

from headrace.turns.intervals import BOUNDS

__all__ = ["BY_NAME", "METRICS", "OTHER", "UPSTREAM_METRICS", "Kind", "Merge", "Metric"]

OTHER: Final = "other"
"""The value of a label for everything that has no series of its own."""

_FINE: Final = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, *BOUNDS)
_COARSE: Final = BOUNDS[3:]
"""Seconds; every duration is counted up to 2,560 s."""


class Kind(enum.StrEnum):
    """The type of a metric in Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Merge(enum.Enum):
    """How the values that several processes have for a gauge become one."""

    SUM = enum.auto()
    MIN = enum.auto()


class Metric(msgspec.Struct, frozen=True):
    """A metric.

    Args:
        name: as it is exposed.
        kind: its type.
        help: what it measures, as a noun phrase.
        labels: their names.
        bounds: the upper bounds of a histogram's buckets, without infinity.
        merge: of a gauge.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    merge: Merge = Merge.SUM


def _seconds(name: str, help: str, *labels: str, bounds: tuple[float, ...] = _COARSE) -> Metric:
    return Metric(f"{name}_seconds", Kind.HISTOGRAM, help, labels, bounds)


def _total(name: str, help: str, *labels: str) -> Metric:
    return Metric(f"{name}_total", Kind.COUNTER, help, labels)


def _gauge(name: str, help: str, *labels: str, merge: Merge = Merge.SUM) -> Metric:
    return Metric(name, Kind.GAUGE, help, labels, merge=merge)


# Answers of this server.

REQUEST_DURATION: Final = _seconds(
    "gen_ai_server_request_duration",
    "Time from the start of a turn until its ending was readable.",
    *("model", "outcome"),
)
FIRST_TOKEN: Final = _seconds(
    "gen_ai_server_time_to_first_token",
    "Time from the start of a turn until the first delta of its answer; successful turns only.",
    "model",
)
OUTPUT_TOKEN: Final = _seconds(
    "gen_ai_server_time_per_output_token",
    "Mean time of a token after the first one; successful turns only.",
    "model",
    bounds=BOUNDS,
)
INTER_DELTA: Final = _seconds(
    "headrace_inter_delta",
    "Time between two deltas of an answer. Counted when the turn has ended.",
    "model",
    bounds=BOUNDS,
)
STALL: Final = _seconds("headrace_longest_stall", "Longest time between two deltas of a turn.", "model")
QUEUE: Final = _seconds("headrace_queue", "Time that a turn waited for a limit.", "model")
CANCEL_LATENCY: Final = _seconds(
    "headrace_cancel_latency",
    "Time from the cancellation of a turn until its engine had stopped.",
    "model",
    bounds=_FINE,
)
TOKENS: Final = _total(
    "headrace_tokens",
    "Tokens by kind: `prompt`, of these `cached`; `completion`, of these `reasoning`.",
    *("model", "kind"),
)
TAKEN_OVER: Final = _total(
    "headrace_turns_taken_over", "Turns of another process that this server continued and ended.", "model"
)
TRUNCATED: Final = _total(
    "headrace_turns_truncated", "Turns that failed after a part of the answer was sent.", "model"
)
RESUMED: Final = _total("headrace_turns_resumed", "Requests of clients for the rest of an answer.")
IN_FLIGHT: Final = _gauge("headrace_turns_in_flight", "Turns that run.", "model")
QUEUED: Final = _gauge("headrace_queue_length", "Turns that wait for a limit.", "model")
REFUSED: Final = _total("headrace_refused", "Turns that a limit has refused, by error code.", "code")
LIMITS: Final = _total(
    "headrace_limits_reached",
    "How often a limit was reached, by the name of its option (docs/security.md).",
    "limit",
)
KEY_TURNS: Final = _total("headrace_key_turns", "Turns by the id of the API key.", *("key", "outcome"))
KEY_TOKENS: Final = _total("headrace_key_tokens", "Tokens by the id of the API key.", *("key", "kind"))
RESPONSES: Final = _total(
    "headrace_http_responses",
    "HTTP responses; `none` if the client disconnected before one.",
    *("route", "method", "status"),
)
OVERHEAD: Final = _seconds(
    "headrace_delta_overhead",
    "Own time for a delta, from the bytes of a model's server to the sockets of the clients, without a turn"
    " store's. Two deltas a second are measured.",
    bounds=_FINE,
)
STORE: Final = _seconds(
    "headrace_store",
    "Time of a write to the turn store, with retries, for all turns at once, by the position of the shard in"
    " `--store`, counted from 1.",
    "shard",
    bounds=_FINE,
)
STORE_UP: Final = _gauge(
    "headrace_store_up",
    "Whether the last heartbeat in the turn store, or in this shard of it, has succeeded, 1 or 0.",
    "shard",
    merge=Merge.MIN,
)

# Calls of models' servers. A turn has several if it was tried again on another server. The label `upstream`
# is the position of the server in the model's `url`, counted from 1: addresses are not for everyone.

CALL_DURATION: Final = _seconds(
    "gen_ai_client_inference_duration",
    "Time from a request to a model's server until the end of its response.",
    *("model", "upstream", "outcome"),
)
CALL_FIRST_CHUNK: Final = _seconds(
    "gen_ai_client_inference_time_to_first_chunk",
    "Time from a request to a model's server until the body of its response began.",
    *("model", "upstream"),
)
CALL_CHUNK: Final = _seconds(
    "gen_ai_client_inference_time_per_output_chunk",
    "Time between two deltas of an answer of a model's server, as `headrace_inter_delta_seconds`.",
    "model",
    bounds=BOUNDS,
)
UPSTREAM_UP: Final = _gauge(
    "headrace_upstream_up",
    "Whether the last request or check of a model's server has succeeded, 1 or 0.",
    *("model", "upstream"),
    merge=Merge.MIN,
)

METRICS: Final = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All metrics, in the order of the table."""

UPSTREAM_METRICS: Final = METRICS[METRICS.index(CALL_DURATION) :]
"""Those of models' servers."""

BY_NAME: Final = {metric.name: metric for metric in METRICS}
