"""What each hop costs per chunk, in CPU time: replicas alone, behind nginx, HAProxy and Ray's proxies.

    python benchmarks/hops.py
    .venv-ray/bin/python benchmarks/hops.py --targets headrace,ray-haproxy,ray-python    # after `make ray`

One run against each target in each round: its programs on one core, the clients and the model's server, those
of `benchmarks/relay`, on another one. The proxies have the configurations of deploy/, without TLS.

paced: 200 streams of 50 chunks per second
flood: 20 streams that are always ready: chunks per second
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent / "relay"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from programs import cores
from targets import Place, Target, create_targets
from tools import API_KEY, Traffic, Upstream, build, run_load

from proxies import PROXIES

_PLAIN: Final = {"nginx": {" ssl http2;": ";"}, "haproxy": {" alpn h2,http/1.1": ""}}
_TARGETS: Final = ("headrace", "nginx", "haproxy", "nginx-3", "haproxy-3")
_PROGRAMS: Final = {
    "ServeReplica": "headrace",
    "-m headrace": "headrace",
    "ray::": "ray",
    "haproxy": "haproxy",
    "nginx": "nginx",
}
"""Programs by a part of their command line."""


def _cpu() -> Counter[str]:
    """Return the seconds of CPU time that the programs started from here have taken so far."""
    taken: Counter[str] = Counter()
    waiting = [str(os.getpid())]
    while waiting:
        folder = Path("/proc", waiting.pop())
        with suppress(OSError):  # it has ended
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if folder.name == str(os.getpid()):  # has the names of targets
                command = ""
            name = next((name for part, name in _PROGRAMS.items() if part in command), "others")
            for thread in folder.glob("task/*"):
                taken[name] += int((thread / "schedstat").read_text().split()[0]) / 1e9
                waiting += (thread / "children").read_text().split()
    return taken


@contextmanager
def _served(name: str, place: Place) -> Iterator[int]:
    """Start a target; yield its port."""
    if name.startswith("ray-"):
        with _ray(name.removeprefix("ray-"), place) as port:
            yield port
        return
    proxy, _, replicas = name.partition("-")
    with ExitStack() as stack:
        targets = []
        for number in range(int(replicas or 1)):
            at = Place(**{**vars(place), "folder": place.folder / f"{name}-{number}"})
            (target,) = create_targets(["chat"], {"": sys.executable}, at)
            assert isinstance(target, Target)
            target.start()
            stack.callback(target.stop)
            targets.append(target)
        if proxy == "headrace":
            yield targets[0].port
            return
        ports = [target.port for target in targets]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-")))
        replaced = _PLAIN[proxy] | ({f" ssl crt {folder}/tls.pem": ""} if proxy == "haproxy" else {})
        server = PROXIES[proxy](folder, ports * (2 if len(ports) == 1 else 1), replaced)
        with server:
            yield server.port


@contextmanager
def _ray(proxy: str, place: Place) -> Iterator[int]:
    """Start Ray with one replica."""
    from ray_serve import Cluster

    config = place.write("headrace.toml", port=0, engine="chat").read_text()
    cluster = Cluster(place.folder, proxy, config, replicas=1)
    os.environ["HEADRACE_API_KEYS"] = API_KEY
    cluster.start()
    try:
        yield cluster.port
    finally:
        cluster.stop()


def _measure(port: int, upstream: Upstream, core: int, events: int) -> tuple[Counter[str], float, int]:
    """Return the CPU time per chunk in µs by program, the chunks per second of a flood, and the errors."""
    upstream.set_script("paced", events, 50)
    before = _cpu()
    paced = run_load(port, Traffic(events, 200, interval_us=500), core=core)
    after = _cpu()
    costs = Counter({name: (after[name] - before[name]) * 1e6 / max(1, paced.events) for name in after})
    upstream.set_script("events", events * 20)
    flood = run_load(port, Traffic(events * 20, 20), core=core)
    errors = paced.errors + paced.unfinished + flood.errors + flood.unfinished
    return costs, flood.events / max(flood.seconds, 0.001), errors


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--targets", default=",".join(_TARGETS), help=f"default: {','.join(_TARGETS)}")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--seconds", type=float, default=4, help="of a paced run (default: 4)")
    arguments = parser.parse_args()
    build()
    tools_core, core = cores()
    os.sched_setaffinity(0, {core})
    found: dict[str, list[tuple[Counter[str], float]]] = {}
    errors = 0
    with tempfile.TemporaryDirectory(prefix="hops-") as folder:
        upstream = Upstream(tools_core, Path(folder) / "upstream")
        upstream.wait_until_ready()
        place = Place(folder=Path(folder), core=core, tools_core=tools_core, upstream=upstream)
        try:
            for _ in range(arguments.rounds):
                for name in arguments.targets.split(","):
                    with _served(name, place) as port:
                        costs, rate, wrong = _measure(
                            port, upstream, tools_core, round(arguments.seconds * 50)
                        )
                    found.setdefault(name, []).append((costs, rate))
                    errors += wrong
        finally:
            upstream.stop()
    print("| CPU µs per chunk, paced | headrace | nginx | haproxy | ray | flood: chunks/s |")
    print("|---|---|---|---|---|---|")
    for name, results in found.items():
        means = [
            statistics.median(costs[part] for costs, _ in results)
            for part in ("headrace", "nginx", "haproxy", "ray")
        ]
        cells = " | ".join(f"{mean:.1f}" if mean >= 0.05 else "" for mean in means)
        print(f"| {name} | {cells} | {statistics.median(rate for _, rate in results):,.0f} |")
    print(f"errors: {errors}; load average {os.getloadavg()[0]:.1f}")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
