"""Headrace's replicas in Ray Serve under load: streams are left, replicas replaced, HAProxy reloaded.

    .venv-ray/bin/python benchmarks/ray_serve.py haproxy    # after `make ray`
    .venv-ray/bin/python benchmarks/ray_serve.py python

With `haproxy`, Ray's HAProxy forwards to the ports of the replicas (RAY_SERVE_ENABLE_HA_PROXY=1); with
`python`, Ray's proxy calls their actors. They share a Redis, and their upstream writes numbered words.

left: streams of which each third one is left in mid-answer; then Ray's count of ongoing requests is 0 again
redeploy: streams under which all replicas are replaced
reload: streams under which Ray reloads HAProxy, because another application is deployed

The old process of a HAProxy that is reloaded ends after `--hard-stop` seconds with its streams, which clients
resume. Every answer must be the uninterrupted one: whole, or moved, if it came over several connections.
"""

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

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
        hard_stop: seconds after which an old process of HAProxy ends, with its streams; Ray's default is 120.
    """

    def __init__(
        self,
        folder: Path,
        proxy: str,
        config: str,
        store: str = "memory",
        *,
        replicas: int = _REPLICAS,
        hard_stop: int = 120,
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
            "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(hard_stop),
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

    def reload(self) -> None:
        """Let Ray reload the proxy, since another application has a path of its own."""
        from ray import serve

        @serve.deployment(ray_actor_options={"num_cpus": 0.1})
        class Other:
            def __call__(self, _: Any) -> str:
                return "other"

        other: Any = Other
        serve.run(other.bind(), name="other", route_prefix="/other", logging_config={"log_level": "ERROR"})

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


class Answer(NamedTuple):
    """What a client has read.

    Args:
        result: `left`, `whole`, `moved`, or what is wrong.
        gap: the longest time between two chunks, in seconds.
    """

    result: str
    gap: float


class Load:
    """The clients.

    Args:
        client: of the cluster.
        upstream: knows the questions.
    """

    def __init__(self, client: AsyncZaiClient, upstream: Upstream) -> None:
        self._client = client
        self._upstream = upstream
        self._names = itertools.count()

    async def read(self, leave_after: int | None = None) -> Answer:
        """Read a stream, or leave it after so many words."""
        name, fields = f"q{next(self._names)}", {"max_tokens": _WORDS + 1}
        question = Question(name, words=_WORDS, expected=_WORDS, pace=_PACE, fields=fields)
        self._upstream.questions[name] = question
        text, gap, moves = "", 0.0, 0
        async with await self._client.chat.completions.create(stream=True, **question.body) as stream:
            response, before = stream.response, time.monotonic()
            async for chunk in stream:
                moves += response is not stream.response
                response, now = stream.response, time.monotonic()
                gap, before = max(gap, now - before), now
                text += chunk.choices[0].delta.content or ""
                if leave_after is not None and len(numbers(text)) >= leave_after:
                    return Answer("left", gap)
        read = numbers(text)
        if read == list(range(_WORDS)):
            return Answer("moved" if moves else "whole", gap)
        lost, twice = len(set(range(_WORDS)) - set(read)), len(read) - len(set(read))
        return Answer(f"lost {lost}, twice {twice}", gap)

    async def during(self, name: str, streams: int, event: Callable[[], None], wait: float) -> bool:
        """Read streams all the time; return whether all are complete.

        Args:
            name: of the event.
            streams: at a time.
            event: takes place meanwhile.
            wait: for so many seconds until it has had its effect.
        """
        answers: list[Answer] = []
        is_over = False

        async def read_always() -> None:
            while not is_over:
                answers.append(await self.read())

        tasks = [asyncio.create_task(read_always()) for _ in range(streams)]
        await asyncio.sleep(3)
        began = time.monotonic()
        await asyncio.to_thread(event)
        took = time.monotonic() - began
        await asyncio.sleep(wait)
        is_over = True
        await asyncio.gather(*tasks)
        gap = max(answer.gap for answer in answers)
        print(f"{name}, in {took:.1f} s: {_counted(answers)}; longest time between two chunks {gap:.2f} s")
        return {answer.result for answer in answers} <= {"whole", "moved"}


def _counted(answers: Sequence[Answer]) -> str:
    results = [answer.result for answer in answers]
    return ", ".join(f"{results.count(each)} {each}" for each in sorted(set(results)))


async def _leave(cluster: Cluster, load: Load, streams: int) -> bool:
    """Leave each third stream in mid-answer; return whether Ray's count of ongoing requests is 0 again."""
    reading = [load.read(_WORDS // 3 if at % 3 == 0 else None) for at in range(streams)]
    tasks = [asyncio.create_task(each) for each in reading]
    while not any(task.done() for task in tasks):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    print(f"ongoing while {len(tasks)} streams run: {await asyncio.to_thread(cluster.ongoing)}")
    answers = await asyncio.gather(*tasks)
    began = time.monotonic()
    while sum(counts := await asyncio.to_thread(cluster.ongoing)) and time.monotonic() - began < 60:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    print(f"left: {_counted(answers)}; ongoing {counts} after {time.monotonic() - began:.1f} s")
    return not sum(counts) and {answer.result for answer in answers} <= {"left", "whole"}


async def _run(cluster: Cluster, upstream: Upstream, arguments: argparse.Namespace) -> int:
    async with AsyncZaiClient(api_key="any.key", base_url=f"http://127.0.0.1:{cluster.port}/v1") as client:
        load = Load(client, upstream)
        is_right = await _leave(cluster, load, arguments.left) if arguments.left else True
        events = {"redeploy": cluster.deploy, "reload": cluster.reload}
        for name in arguments.events:
            wait = arguments.hard_stop + 2 if arguments.hard_stop < _WORDS * _PACE else 0
            is_right &= await load.during(name, arguments.streams, events[name], wait)
    return 0 if is_right else 1


async def _serve(arguments: argparse.Namespace, folder: Path) -> int:
    store = RedisServer(folder)
    store.start()
    upstream = Upstream(lambda _: None)
    config = CONFIGS["words"].replace("UPSTREAM_PORT", str(await upstream.listen(0)))
    cluster = Cluster(folder, arguments.proxy, config, store.url, hard_stop=arguments.hard_stop)
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
    parser.add_argument(
        "--events",
        type=lambda text: text.split(","),
        default=["redeploy", "reload"],
        help="one after the other, separated by commas (default: redeploy,reload)",
    )
    parser.add_argument("--streams", type=int, default=20, help="under an event (default: 20)")
    parser.add_argument("--hard-stop", type=int, default=2, help="see above (default: 2)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        return asyncio.run(_serve(arguments, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
