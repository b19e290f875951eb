"""docs/resume.md agrees with the code."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest

from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings
from headrace.sse import DONE, SseDecoder

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "resume.md").read_text()
CURL = re.search(r"```sh\n(curl.*?)```", TEXT, re.DOTALL).group(1)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_command_prints_numbered_events_and_the_second_time_the_same_turn():
    with LocalServer(App(ModelRegistry([load_model("", LlamaSettings())]), Settings())) as server:
        command = CURL.replace("http://127.0.0.1:8000", server.url)
        first, again = (SseDecoder().feed(subprocess.check_output(["sh", "-c", command])) for _ in range(2))

    assert first[-1].data == again[-1].data == DONE
    assert [int(event.id) for event in first[:-1]] == sorted({int(event.id) for event in first[:-1]})
    assert {json.loads(event.data)["id"] for event in first[:-1]} == {json.loads(again[0].data)["id"]}
    assert first[-2] == again[-2]  # ending and usage


def test_the_signed_url_reads_its_turn():
    variables = {}
    exec(re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1], variables)
    models = ModelRegistry([load_model("", LlamaSettings())])
    body = {"model": "glm-4.6", "messages": [{"role": "user", "content": "Hello"}], "request_id": "poem-1"}
    with LocalServer(App(models, Settings(api_keys=("id.secret",)))) as server:
        url = f"{server.url}/api/paas/v4/chat/completions"
        httpx2.post(url, json=body, headers={"Authorization": "Bearer id.secret"}).raise_for_status()
        response = httpx2.get(server.url + variables["url"])

    assert SseDecoder().feed(response.content)[-1].data == DONE


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT))
def test_every_link_has_a_target(path):
    assert (DOCS / path).exists()
