"""Headrace as an application of Ray Serve, `headrace.scale.ray:app`, with the settings of `headrace serve`.

    client ──▶ HAProxy (RAY_SERVE_ENABLE_HA_PROXY=1) ──▶ a replica's own port ──▶ the application
    client ──▶ Ray's proxy in Python ──▶ an actor call ──▶ the application

Only in HAProxy mode does a stream not pass through Python twice. The addresses are Ray's, so options of
listening, TLS, workers and the shutdown have no effect: Ray waits for the answers of a replica that it stops.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ray import serve

from headrace.cli.loading import load
from headrace.configuration import configure
from headrace.scale.autoscaling import TURNS
from headrace.server.app import App
from headrace.telemetry.logs import start_logging

__all__ = ["Headrace", "app"]


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
        """Report the turns, for autoscaling."""
        return {TURNS: float(self.app.turns)}


app: Any = Headrace.bind()  # type: ignore[attr-defined]  # by the decorators
"""What `import_path` in a Serve config names."""
