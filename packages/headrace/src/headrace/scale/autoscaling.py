"""How many replicas the turns need: a policy for Ray Serve, which imports nothing of Ray."""

from typing import Any, Final

__all__ = ["TURNS", "replicas_for_turns"]

TURNS: Final = "headrace_turns"
"""What each replica reports: the turns that run and wait there, also those without a client."""


def replicas_for_turns(context: Any) -> tuple[float, dict[str, Any]]:
    """Return how many replicas the turns of all replicas need; as many as now if none has reported its turns.

    Ray's own count is that of requests. It has been wrong for streams (ray#61551), and does not include turns
    that continue without a client. Ray applies its delays, factors and bounds to the result.

    Args:
        context: Ray's `AutoscalingContext`; `target_ongoing_requests` is the number of turns for a replica.
    """
    turns = context.aggregated_metrics.get(TURNS)
    if not turns:
        return context.target_num_replicas, {}
    return sum(turns.values()) / context.config.target_ongoing_requests, {}
