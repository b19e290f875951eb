"""The queries of Grafana's dashboard, in a real Prometheus that scrapes a real server under load.

    python benchmarks/dashboard.py [--seconds 60]

The server has an upstream that writes numbered words and one that is down, two API keys, a store and a limit.
Clients read answers, disconnect, cancel, resume, and send what is refused. Then each query of
deploy/grafana/dashboards/headrace.json is printed with its results, and the alerts of
deploy/prometheus-rules.yml that are pending or firing. The exit status is 1 if a query has no result.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent / "chaos"))

from question import END, Question
from upstream import Upstream

from proxies import DEPLOY, free_port
from zai import AsyncZaiClient, ZaiError

_DASHBOARD: Final = DEPLOY / "grafana" / "dashboards" / "headrace.json"
_KEYS: Final = ("alice.secret", "bob.secret", "admin.secret")
_CONFIG: Final = f"""
[models.words]
engine = "completions"
url = ["http://127.0.0.1:PORT/v1"]
dialect = "vllm"
format = "text"
chat_template = "{{% for message in messages %}}{{{{ message.content }}}}{{% endfor %}}{END}"

[models.gone]
engine = "chat"
url = ["http://127.0.0.1:CLOSED/v1"]
"""


class Load:
    """The clients of a server at this URL."""

    def __init__(self, url: str, upstream: Upstream) -> None:
        self._upstream = upstream
        self._names = itertools.count()
        self._clients = [AsyncZaiClient(api_key=key, base_url=url, max_retries=0) for key in _KEYS[:2]]

    async def run(self, seconds: float) -> None:
        """Send requests for this time."""
        kinds = [self._read] * 6 + [self._leave, self._cancel, self._resume, self._fail]
        chance = random.Random(0)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                while True:
                    group.create_task(self._ask(chance.choice(kinds), chance.choice(self._clients)))
                    await asyncio.sleep(0.1)
        for client in self._clients:
            await client.close()

    async def _ask(self, kind: Any, client: AsyncZaiClient) -> None:
        question = Question(f"q{next(self._names)}", words=40, pace=0.02, fields={"max_tokens": 50})
        self._upstream.questions[question.name] = question
        with suppress(ZaiError):
            await kind(client, question)

    async def _read(self, client: AsyncZaiClient, question: Question) -> None:
        async for _ in await client.chat.completions.create(stream=True, **question.body):
            pass

    async def _leave(self, client: AsyncZaiClient, question: Question) -> None:
        url = f"{client.base_url}/chat/completions"
        headers = {"authorization": f"Bearer {client.api_key}"}
        async with (
            httpx.AsyncClient(trust_env=False, headers=headers) as http,
            http.stream("POST", url, json={**question.body, "stream": True}) as response,
        ):
            await anext(response.aiter_bytes())

    async def _cancel(self, client: AsyncZaiClient, question: Question) -> None:
        stream = await client.chat.completions.create(stream=True, **question.body)
        await anext(stream)
        await stream.close()

    async def _resume(self, client: AsyncZaiClient, question: Question) -> None:
        url = f"{client.base_url}/chat/completions"
        headers = {"authorization": f"Bearer {client.api_key}", "x-headrace-resumable": "1"}
        async with httpx.AsyncClient(trust_env=False, headers=headers) as http:
            async with http.stream("POST", url, json={**question.body, "stream": True}) as response:
                if response.status_code != 200:  # refused by the limit
                    return
                turn = response.headers["x-headrace-turn"]
                await anext(response.aiter_bytes())
            await http.get(f"{url}/{turn}", headers={"last-event-id": "3"})

    async def _fail(self, client: AsyncZaiClient, question: Question) -> None:
        body = {**question.body, "model": "gone"}
        await client.chat.completions.create(**body)


@asynccontextmanager
async def _server(folder: Path, upstream: Upstream) -> AsyncGenerator[int]:
    """Start `headrace serve`; yield its port."""
    config = _CONFIG.replace("PORT", str(await upstream.listen(0))).replace("CLOSED", str(free_port()))
    (folder / "headrace.toml").write_text(config)
    port = free_port()
    command = [sys.executable, "-m", "headrace", "serve", "--port", str(port), "--store", "sqlite:turns.db"]
    command += ["--max-in-flight", "6", "--max-queued", "1", "--linger", "1"]
    environment = {**os.environ, "HEADRACE_API_KEYS": ",".join(_KEYS)}
    with _running(command, folder, environment):
        await _until_answers(f"http://127.0.0.1:{port}/readyz")
        yield port


@asynccontextmanager
async def _prometheus(folder: Path, port: int) -> AsyncGenerator[str]:
    """Start Prometheus with the configuration of deploy/ for this server; yield its URL."""
    (folder / "metrics-key").write_text(_KEYS[2])
    shutil.copy(DEPLOY / "prometheus-rules.yml", folder)
    configuration = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = configuration["scrape_configs"]
    job["authorization"]["credentials_file"] = "metrics-key"
    job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus", "--config.file=prometheus.yml", f"--web.listen-address={address}"]
    with _running([*command, "--storage.tsdb.path=data"], folder, dict(os.environ)):
        await _until_answers(f"http://{address}/-/ready")
        yield f"http://{address}/api/v1"


@contextmanager
def _running(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def _until_answers(url: str) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as client:
        while True:
            with suppress(httpx.HTTPError):
                if (await client.get(url)).status_code == 200:
                    return
            await asyncio.sleep(0.1)


def _show(api: str) -> int:
    """Print the results of all queries and the alerts; return how many queries have no result."""
    missing = 0
    for panel in json.loads(_DASHBOARD.read_text())["panels"]:
        print(f"\n{panel['title'].upper() if panel['type'] == 'row' else panel['title']}")
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$__rate_interval", "20s").replace("$model", ".*")
            answer = httpx.get(f"{api}/query", params={"query": query}, trust_env=False).json()
            results = answer["data"]["result"] if answer["status"] == "success" else []
            results = [result for result in results if result["value"][1] != "NaN"]
            missing += not results
            if not results:
                print(f"    NO RESULT  {query}  {answer.get('error', '')}")
            for result in sorted(results, key=lambda result: str(result["metric"])):
                legend = target["legendFormat"]
                for label, value in result["metric"].items():
                    legend = legend.replace(f"{{{{{label}}}}}", value)
                unit = panel["fieldConfig"]["defaults"]["unit"]
                print(f"    {float(result['value'][1]):10.4g} {unit:12}{legend}")
    print("\nALERTS")
    for alert in httpx.get(f"{api}/alerts", trust_env=False).json()["data"]["alerts"]:
        print(f"    {alert['state']:8} {alert['labels']['alertname']}: {alert['annotations']['summary']}")
    return missing


async def _run(seconds: float, folder: Path) -> int:
    upstream = Upstream(lambda _: None)
    async with _server(folder, upstream) as port, _prometheus(folder, port) as api:
        load = asyncio.create_task(Load(f"http://127.0.0.1:{port}/api/paas/v4", upstream).run(seconds))
        await asyncio.sleep(seconds - 5)
        print(time.strftime("%Y-%m-%d"), f"load average {os.getloadavg()[0]:.1f}")
        missing = await asyncio.to_thread(_show, api)
        await load
    upstream.close()
    return missing


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dashboard-") as folder:
        return 1 if asyncio.run(_run(arguments.seconds, Path(folder))) else 0


if __name__ == "__main__":
    sys.exit(main())
