"""Chromium shows /admin: its own policy allows its script, and the script understands the state."""

import re
import shutil
import subprocess

import pytest

from headrace.engines import ScriptedEngine
from headrace.formats import FORMATS
from headrace.models import Model, ModelRegistry
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Settings
from metrics_text import outcome

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.nightly
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_the_page_shows_the_state_as_text(tmp_path):
    name = "<b onclick=alert(1)>glm-4.6"
    model = Model((name,), ScriptedEngine("Hi"), FORMATS["glm-4.6"], ChatTemplate("x"))
    app = App(ModelRegistry([model]), Settings())
    app._activity.finished(outcome(model=name, owner="key-1", first_token_seconds=0.5))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    with LocalServer(app) as server:
        command += ["--virtual-time-budget=10000", "--dump-dom", f"{server.url}/admin"]
        dumped = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout
    shown = dumped.partition("<script>")[0]

    assert re.search(r'<span id="status"[^>]*>at \d\d:\d\d:\d\d</span>', shown)
    assert "<td>&lt;b onclick=alert(1)&gt;glm-4.6</td><td>1</td>" in shown
    assert "<td>key-1</td><td>1</td>" in shown
    assert "0.50 s" in shown
