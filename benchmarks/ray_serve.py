"""Headrace's replicas in Ray Serve under load: streams that are left, and a redeployment; needs `make ray`.

    .venv-ray/bin/python benchmarks/ray_serve.py haproxy
    .venv-ray/bin/python benchmarks/ray_serve.py python

With `haproxy`, Ray's HAProxy forwards to the ports of the replicas (RAY_SERVE_ENABLE_HA_PROXY=1); with
`python`, Ray's proxy calls their actors. They share a Redis, and their upstream writes numbered words.

left: streams of which each third one is left in mid-answer; then Ray's count of ongoing requests is 0 again
redeploy: streams under which all replicas are replaced; every answer must be the uninterrupted one
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent / "chaos"))

from deployment import CONFIGS
from question import Question, numbers
from upstream import Upstream

from proxies import free_port
from redis_server import RedisServer
from zai import AsyncZaiClient

_REPLICAS: Final = 2
_WORDS: Final = 150
_PACE: Final = 0.1


class Cluster:
    """Ray on this machine, with an application.

    Args:
        folder: of its files.
        proxy: `haproxy` or `python`.
        config: headrace.toml.
        store: of turns.
        replicas: how many.
    """

    def __init__(
        self, folder: Path, proxy: str, config: str, store: str = "memory", replicas: int = _REPLICAS
    ) -> None:
        self.port = free_port()
        self._deployed = 0
        self._replicas = replicas
        file = folder / "ray.toml"
        file.write_text(config)
        os.environ |= {
            "HEADRACE_CONFIG": str(file),
            "HEADRACE_STORE": store,
            "HEADRACE_API_KEYS": "any.key",
            "HEADRACE_LINGER": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",  # on a busy machine
            "RAY_SERVE_ENABLE_HA_PROXY": str(int(proxy == "haproxy")),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        }

    def start(self) -> None:
        """Start Ray and the application."""
        import ray  # when the variables are set
        from ray import serve

        ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=100 * 2**20)
        serve.start(http_options={"host": "127.0.0.1", "port": self.port})
        self.deploy()

    def deploy(self) -> None:
        """Replace all replicas, since their resources change; return when the new ones run."""
        from ray import serve

        from headrace.scale.ray import Headrace

        self._deployed += 1
        options: Any = Headrace
        chosen = options.options(
            num_replicas=self._replicas,
            max_ongoing_requests=10_000,
            graceful_shutdown_timeout_s=60,
            ray_actor_options={"num_cpus": 0.1 + self._deployed / 100},
        )
        serve.run(chosen.bind(), name="headrace", logging_config={"log_level": "ERROR"})

    def ongoing(self) -> list[int]:
        """Return Ray's count of ongoing requests for each replica."""
        import ray

        actors = [
            each
            for each in ray.util.list_named_actors(all_namespaces=True)
            if "SERVE_REPLICA" in each["name"]
        ]
        handles = [ray.get_actor(each["name"], each["namespace"]) for each in actors]
        counts: list[int] = ray.get([handle.get_num_ongoing_requests.remote() for handle in handles])
        return counts

    def stop(self) -> None:
        import ray
        from ray import serve

        serve.shutdown()
        ray.shutdown()


async def _read(client: AsyncZaiClient, upstream: Upstream, name: str, leave_after: int | None) -> str:
    """Read a stream; return `left`, `whole`, or what is wrong with it."""
    fields = {"max_tokens": _WORDS + 1}
    question = Question(name, words=_WORDS, expected=_WORDS, pace=_PACE, fields=fields)
    upstream.questions[name] = question
    text = ""
    stream = await client.chat.completions.create(stream=True, **question.body)
    async with stream:
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""
            if leave_after is not None and len(numbers(text)) >= leave_after:
                return "left"
    read = numbers(text)
    lost, twice = len(set(range(_WORDS)) - set(read)), len(read) - len(set(read))
    return "whole" if read == list(range(_WORDS)) else f"lost {lost}, twice {twice}"


def _counted(results: list[str]) -> str:
    return ", ".join(f"{results.count(each)} {each}" for each in sorted(set(results)))


async def _run(cluster: Cluster, upstream: Upstream, arguments: argparse.Namespace) -> int:
    async with AsyncZaiClient(api_key="any.key", base_url=f"http://127.0.0.1:{cluster.port}/v1") as client:
        streams = range(arguments.left)
        reading = [_read(client, upstream, f"l{at}", _WORDS // 3 if at % 3 == 0 else None) for at in streams]
        tasks = [asyncio.create_task(each) for each in reading]
        while not any(task.done() for task in tasks):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        print(f"ongoing while {len(tasks)} streams run: {await asyncio.to_thread(cluster.ongoing)}")
        results = await asyncio.gather(*tasks)
        began = time.monotonic()
        while sum(counts := await asyncio.to_thread(cluster.ongoing)) and time.monotonic() - began < 60:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        print(f"left: {_counted(results)}; ongoing {counts} after {time.monotonic() - began:.1f} s")

        tasks = [
            asyncio.create_task(_read(client, upstream, f"r{at}", None)) for at in range(arguments.redeploy)
        ]
        await asyncio.sleep(2)
        began = time.monotonic()
        await asyncio.to_thread(cluster.deploy)
        print(f"redeployed in {time.monotonic() - began:.1f} s")
        moved = await asyncio.gather(*tasks)
        print(f"redeploy: {_counted(moved)}")
    is_right = not sum(counts) and set(results) <= {"left", "whole"} and set(moved) <= {"whole"}
    return 0 if is_right else 1


async def _serve(arguments: argparse.Namespace, folder: Path) -> int:
    store = RedisServer(folder)
    store.start()
    upstream = Upstream(lambda _: None)
    config = CONFIGS["words"].replace("UPSTREAM_PORT", str(await upstream.listen(0)))
    cluster = Cluster(folder, arguments.proxy, config, store.url)
    try:
        await asyncio.to_thread(cluster.start)
        return await _run(cluster, upstream, arguments)
    finally:
        await asyncio.to_thread(cluster.stop)
        upstream.close()
        store.stop()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("proxy", choices=["haproxy", "python"])
    parser.add_argument(
        "--left", type=int, default=100, help="streams, a third of which is left (default: 100)"
    )
    parser.add_argument("--redeploy", type=int, default=20, help="streams under a redeployment (default: 20)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        return asyncio.run(_serve(arguments, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
