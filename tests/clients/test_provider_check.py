"""PyPI's trustedrouter-provider-check, every tier, against our server on the embedded model."""

import json
import subprocess
from pathlib import Path

import pytest

from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings

CHECK = (
    Path(__file__).parents[2] / ".venv-client-trustedrouter-provider-check/bin/trustedrouter-provider-check"
)
KEY = "client.secret"
ARGUED = {"catalog.declared-v2": "skip", "perf.production-benchmark": "warn"}
"""docs/check.md: a catalogue of prices is not ours to publish, and a poem of the model has fewer than 128 tokens."""

pytestmark = pytest.mark.skipif(not CHECK.exists(), reason="`make clients` has not been run")


def test_every_tier_passes_but_for_what_is_argued(tmp_path):
    report = tmp_path / "report.json"
    models = ModelRegistry([load_model("", LlamaSettings())])
    with LocalServer(App(models, Settings(api_keys=(KEY,)))) as server:
        command = [
            CHECK,
            "--base-url",
            f"{server.url}/v1",
            "--model",
            "glm-4.6",
            "--tier",
            "6",
            "--json",
            report,
        ]
        environment = {"TR_PROVIDER_API_KEY": KEY}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=100, env=environment, check=False
        )

    assert report.exists(), done.stderr
    found = {each["id"]: each["status"] for each in json.loads(report.read_text())["checks"]}
    assert {id: outcome for id, outcome in found.items() if outcome != "pass"} == ARGUED
    assert len(found) > 20
    assert done.returncode == 0
