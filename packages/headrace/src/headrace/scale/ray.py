"""Headrace as an application of Ray Serve, `headrace.scale.ray:app`, with the settings of `headrace serve`.

    client ──▶ HAProxy (RAY_SERVE_ENABLE_HA_PROXY=1) ──▶ a replica's own port ──▶ the application
    client ──▶ Ray's proxy in Python ──▶ an actor call ──▶ the application

Only in HAProxy mode does a stream not pass through Python twice. The addresses are Ray's, so options of
listening, TLS, workers and the shutdown have no effect: Ray waits for the answers of a replica that it stops.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from ray import serve

from headrace.cli.loading import load
from headrace.configuration import configure
from headrace.server.app import App
from headrace.telemetry.logs import start_logging

__all__ = ["Headrace", "app", "replicas_for_turns"]

_TURNS: Final = "headrace_turns"


def _load() -> App:
    configuration = configure({"host": "0.0.0.0"}, os.environ)  # noqa: S104, so that API keys are required
    start_logging(configuration.settings.telemetry)
    return load(configuration, "Ray Serve").app


def _build() -> App:
    """Load the models, in a thread without an event loop: to check the store takes one of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_load).result()


@serve.deployment
@serve.ingress(_build)
class Headrace:
    """A replica."""

    app: App
    """Set by Ray."""

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Report the turns that run and wait here, also those without a client."""
        return {_TURNS: float(self.app.turns)}


def replicas_for_turns(context: Any) -> tuple[float, dict[str, Any]]:
    """Return how many replicas the turns of all replicas need: a policy of `autoscaling_config`.

    Ray's own count is that of requests. It has been wrong for streams (ray#61551), and does not include turns
    that continue without a client. Ray applies its delays, factors and bounds to the result.

    Args:
        context: Ray's `AutoscalingContext`; `target_ongoing_requests` is the number of turns for a replica.
    """
    turns = context.aggregated_metrics.get(_TURNS, {}).values()
    return sum(turns) / context.config.target_ongoing_requests, {}


app: Any = Headrace.bind()  # type: ignore[attr-defined]  # by the decorators
"""What `import_path` in a Serve config names."""
