"""What a thousand, a hundred thousand and ten million streams need, from the measured cost of their parts.

    python benchmarks/scale.py             print the tables of docs/scale.md
    python benchmarks/scale.py --measure   measure again what a chunk costs Redis

`Costs` has the measured parts, each with its source in docs/measurements.md; `Load` is what clients do.
`needs` adds up the steady state. `lost_zone` and `deploy` simulate how the streams of replicas come back.
"""

import argparse
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

__all__ = [
    "COSTS",
    "LOAD",
    "STREAMS",
    "Costs",
    "Load",
    "Needs",
    "breaking_points",
    "deploy",
    "lost_zone",
    "needs",
]

STREAMS: Final = (1_000, 100_000, 10_000_000)
_US: Final = 1e-6
_KIB: Final = 1024
_MEASURED: Final = 8.0  # seconds


@dataclass(frozen=True)
class Costs:
    """CPU time in µs, memory and messages in bytes.

    Args:
        chunk: Headrace, to relay one ("Relaying on a quiet machine": 200 streams × 50/s).
        save: Headrace, to write it to Redis ("What keeping a turn costs").
        request: Headrace ("Relaying with metrics, log and three APIs": `chat`).
        proxy: nginx, for a chunk ("Hops").
        redis: Redis, for a chunk ("A chunk in Redis").
        redis_bytes: to Redis for a chunk, and back ("A chunk in Redis").
        redis_calls: of one replica per second; a call writes what all of its turns have (the same).
        frame: a chunk as an SSE event with its id, in HTTP framing; counted.
        memory: of Headrace for a stream ("Relaying on a quiet machine": an idle stream).
    """

    chunk: float = 42.2
    save: float = 11.9
    request: float = 823.0
    proxy: float = 13.7
    redis: float = 5.2
    redis_bytes: float = 63.0
    redis_calls: float = 120.0
    frame: float = 240.0
    memory: float = 20.2 * _KIB


@dataclass(frozen=True)
class Load:
    """What clients do, and how machines are used; assumptions, not measurements.

    Args:
        rate: chunks per second of a stream.
        chunks: of an answer.
        share: of a core that may be busy, so that a zone can be lost.
        zones: over which replicas and shards are spread evenly.
        link: bytes per second of a machine's network, 10 Gbit/s.
        core_hour: price of a core for an hour, in dollars.
    """

    rate: float = 50.0
    chunks: float = 1_000.0
    share: float = 0.5
    zones: int = 3
    link: float = 1.25e9
    core_hour: float = 0.04


COSTS: Final = Costs()
LOAD: Final = Load()


class Needs(NamedTuple):
    """What streams need. Cores include those that are idle so that a zone can be lost."""

    streams: int
    headrace: float
    proxies: float
    redis: float
    memory: float
    redis_calls: float
    redis_bytes: float
    client_bytes: float
    dollars: float


def needs(streams: int, costs: Costs = COSTS, load: Load = LOAD) -> Needs:
    """Add up the steady state."""
    chunks = streams * load.rate
    starts = chunks / load.chunks
    headrace = (chunks * (costs.chunk + costs.save) + starts * costs.request) * _US / load.share
    proxies = chunks * costs.proxy * _US / load.share
    redis = chunks * costs.redis * _US / load.share
    return Needs(
        streams=streams,
        headrace=headrace,
        proxies=proxies,
        redis=redis,
        memory=streams * costs.memory,
        redis_calls=math.ceil(headrace) * costs.redis_calls,
        redis_bytes=chunks * costs.redis_bytes,
        client_bytes=chunks * costs.frame,
        dollars=(headrace + proxies + redis) * load.core_hour,
    )


def breaking_points(costs: Costs = COSTS, load: Load = LOAD) -> dict[str, float]:
    """Return how many streams one of each thing can serve with no idle core, the smallest number first."""
    points = {
        "one process of Headrace": 1 / (load.rate * (costs.chunk + costs.save) * _US),
        "one Redis: its core": 1 / (load.rate * costs.redis * _US),
        "one nginx with 16 cores": 16 / (load.rate * costs.proxy * _US),
        "one Redis: its network": load.link / (load.rate * costs.redis_bytes),
        "one proxy's network, 10 Gbit/s": load.link / (load.rate * costs.frame),
    }
    return dict(sorted(points.items(), key=lambda point: point[1]))


class Second(NamedTuple):
    """One second: the busy share of the replicas that are left, above 1 if they fall behind; returns."""

    at: int
    busy: float
    returning: float
    behind: float


def lost_zone(
    streams: int, spread: float, costs: Costs = COSTS, load: Load = LOAD, *, seconds: int = 60
) -> list[Second]:
    """Simulate the loss of a zone: its streams come back within `spread` seconds, evenly.

    A stream that comes back costs a request, and the replicas that are left serve it from then on; no model
    has written for it meanwhile. Work that a second has no time for is done in the next.
    """
    left = needs(streams, costs, load).headrace * (load.zones - 1) / load.zones
    lost = streams / load.zones
    a_stream = load.rate * (costs.chunk + costs.save) * _US
    served, waiting, behind = streams - lost, lost, 0.0
    course = []
    for at in range(seconds):
        returning = min(waiting, lost / max(1.0, spread)) if at else 0.0
        waiting -= returning
        served += returning
        work = served * (a_stream + load.rate / load.chunks * costs.request * _US)
        work += returning * costs.request * _US + behind
        behind = max(0.0, work - left)
        course.append(Second(at, work / left, returning, behind / left))
    return course


class Deployment(NamedTuple):
    """A rolling deployment: seconds, moves of a stream that outlasts it, and streams that move per second."""

    seconds: float
    moves: float
    moves_balanced: float
    returning: float


def deploy(
    streams: int, at_once: float, a_batch: float = 30.0, costs: Costs = COSTS, load: Load = LOAD
) -> Deployment:
    """Replace all replicas, a share of them at once; `a_batch`: seconds for a batch to drain and to start.

    Streams that move go to all other replicas alike, also to those that are replaced next; or, balanced by
    connections, to the new ones, which have none.
    """
    replicas = math.ceil(needs(streams, costs, load).headrace)
    size = max(1, round(replicas * at_once))
    batches = math.ceil(replicas / size)
    of_old, moves = 1.0, 0.0  # streams of an old replica, and moves, in average loads of a replica
    for batch in range(batches):
        moved = min(size, replicas - batch * size) * of_old
        moves += moved / replicas
        of_old += moved / replicas
    return Deployment(batches * a_batch, moves, 1.0, streams * size / replicas / a_batch)


def measure() -> Costs:
    """Measure the costs of a chunk in Redis: 200 turns of 50 pieces a second, in one process."""
    import tempfile

    import redis
    import uvloop

    from redis_server import RedisServer
    from turns import paced

    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        server = RedisServer(Path(folder), "--appendonly", "yes")
        server.start()
        with redis.Redis(port=server.port) as client:
            before = client.info("all")
            uvloop.run(paced(server.url, 200, _MEASURED - 1.0))  # which warms up for a second
            after = client.info("all")
        server.stop()
    grown = {name: after[name] - before[name] for name in after if isinstance(after[name], int | float)}
    chunks = 200 * 50 * _MEASURED
    return replace(
        COSTS,
        redis=(grown["used_cpu_user"] + grown["used_cpu_sys"]) / chunks / _US,
        redis_bytes=(grown["total_net_input_bytes"] + grown["total_net_output_bytes"]) / chunks,
        redis_calls=after["cmdstat_evalsha"]["calls"] / _MEASURED,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--measure", action="store_true", help="measure what a chunk costs Redis, and use it")
    costs = measure() if parser.parse_args().measure else COSTS
    print(costs)
    for streams in STREAMS:
        print(needs(streams, costs))
        print({at_once: deploy(streams, at_once, costs=costs) for at_once in (0.0, 0.1)})
    print(breaking_points(costs))
    for spread in (1.0, 5.0, 20.0):
        course = lost_zone(STREAMS[1], spread, costs)
        print(f"spread {spread:g} s: busy at most {max(second.busy for second in course):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
