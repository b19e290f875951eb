"""Fault injection: servers are killed, connections cut and the store restarted while clients read answers.

    python benchmarks/chaos.py --kills 200 --store sqlite|redis

Two replicas share a turn store: one runs the embedded model, the other the `completions` engine against a
llama.cpp server with the same model. Clients (our SDK, which resumes by itself) connect through a proxy
that forwards each connection to either replica, and cuts some. At random moments a replica receives SIGKILL
and is restarted; so is the server of the store, if it has one. Answers are greedy. Each is compared with the
uninterrupted answer (text, finish reason, usage) and with the events of its log (none lost, none repeated).
The exit status is 1 if any differs.
"""

import argparse
import asyncio
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from chaos_answers import Answer, Question, compare, pieces_of, read  # noqa: E402
from chaos_proxy import Proxy  # noqa: E402
from chaos_questions import steady_questions  # noqa: E402

from headrace.events import Event, Finish  # noqa: E402
from headrace.formats import FORMATS  # noqa: E402
from headrace.parsing import OutputParser  # noqa: E402
from headrace.turns import STORES, Interpreter, TurnSettings, open_store  # noqa: E402
from headrace.wire import decode_request  # noqa: E402
from redis_server import RedisServer  # noqa: E402
from store_backends import BACKENDS  # noqa: E402
from zai import APIStreamDisconnectedError, AsyncZaiClient, ZaiError  # noqa: E402


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Program:
    """A server process that can be killed and restarted."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.port = free_port()
        self._log = log
        self._command = [
            sys.executable,
            str(ROOT / "benchmarks/chaos_server.py"),
            *arguments,
            "--port",
            str(self.port),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start the process; return when it accepts connections."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)  # noqa: ASYNC220
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
        msg = f"{' '.join(self._command)} did not start; see {self._log}"
        raise RuntimeError(msg)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Chaos:
    """One run.

    Args:
        arguments: of the command line.
        directory: for everything that is written.
    """

    def __init__(self, arguments: argparse.Namespace, directory: Path) -> None:
        self._arguments = arguments
        self._random = random.Random(arguments.seed)
        self.store, self._store_server = BACKENDS[arguments.store](directory)
        if self._store_server is not None:
            self._store_server.start()
        self._upstream = Program(directory / "upstream.log", "upstream")
        common = ["--store", self.store, "--pace", str(arguments.pace), "--lease", str(arguments.lease)]
        common += ["--upstream", f"http://127.0.0.1:{self._upstream.port}/v1"]
        self.logs = [directory / f"{engine}.log" for engine in arguments.engines]
        self._replicas = [
            Program(log, "replica", "--engine", engine, *common)
            for engine, log in zip(arguments.engines, self.logs, strict=True)
        ]
        self._proxy = Proxy([replica.port for replica in self._replicas], self._random)
        self._starting: dict[int, asyncio.Task[None]] = {}
        self._is_over = False
        self.counts: Counter[str] = Counter()
        self.questions: Sequence[Question] = ()
        self.expected: list[Answer] = []
        self.answers: list[tuple[int, Answer]] = []
        self.failures: list[str] = []
        self.differences: list[str] = []

    async def run(self) -> None:
        """Run the benchmark."""
        programs = [*self._replicas, *([self._upstream] if "completions" in self._arguments.engines else [])]
        await asyncio.gather(*(program.start() for program in programs))
        try:
            await self._proxy.start()
            self.questions = await asyncio.to_thread(steady_questions, self._arguments.questions)
            await self._ask_undisturbed()
            clients = [asyncio.create_task(self._client(number)) for number in range(self._arguments.clients)]
            await self._inject_faults()
            self._is_over = True
            async with asyncio.timeout(120):
                await asyncio.gather(*clients)
        finally:
            await self._proxy.close()
        await self._compare_with_logs()

    def stop(self) -> None:
        """Stop all processes."""
        for program in (*self._replicas, self._upstream):
            program.kill()
        if self._store_server is not None:
            self._store_server.stop()

    @property
    def connections(self) -> int:
        """The number of connections that the proxy has forwarded."""
        return self._proxy.accepted

    async def _ask_undisturbed(self) -> None:
        """Request the uninterrupted answers; they must be the same from both engines."""
        of_replicas = await asyncio.gather(*(self._ask_all(replica.port) for replica in self._replicas))
        self.expected = of_replicas[0]
        for answers in of_replicas[1:]:
            for one, other in zip(self.expected, answers, strict=True):
                if (one.text, one.finish_reason, one.usage) != (other.text, other.finish_reason, other.usage):
                    self.failures.append(f"the replicas disagree: {one} {other}")

    async def _ask_all(self, port: int) -> list[Answer]:
        url = f"http://127.0.0.1:{port}/api/paas/v4"
        async with AsyncZaiClient(api_key="any.key", base_url=url) as client:
            asking = (
                read(client, question, f"undisturbed-{port}-{n}") for n, question in enumerate(self.questions)
            )
            return list(await asyncio.gather(*asking))

    async def _client(self, number: int) -> None:
        url = f"http://127.0.0.1:{self._proxy.port}/api/paas/v4"
        async with AsyncZaiClient(api_key="any.key", base_url=url, max_retries=12) as client:
            turn = 0
            while not self._is_over:
                turn += 1
                which = self._random.randrange(len(self.questions))
                try:
                    async with asyncio.timeout(120):
                        answer = await self._ask(client, which, f"client-{number}-turn-{turn}")
                except (ZaiError, TimeoutError, AssertionError) as error:
                    self.failures.append(f"client {number}, turn {turn}: {error!r}")
                else:
                    self.answers.append((which, answer))

    async def _ask(self, client: AsyncZaiClient, which: int, request_id: str) -> Answer:
        """Read an answer; repeat the request if the SDK gives up, after five reconnects without an event."""
        while True:
            try:
                return await read(client, self.questions[which], request_id)
            except APIStreamDisconnectedError:
                self.counts["repeated"] += 1

    async def _inject_faults(self) -> None:
        cutting = asyncio.create_task(self._cut())
        while self.counts["kills"] < self._arguments.kills:
            await asyncio.sleep(self._random.uniform(0.1, 1.5) * self._arguments.calm)
            if self._store_server is not None and self._random.random() < 0.15:
                await self._restart_store(self._store_server)
            if not self._starting:  # restarts take different times on different machines
                are_both = self._random.random() < 0.2
                for replica in self._replicas if are_both else [self._random.choice(self._replicas)]:
                    self._kill(replica)
        cutting.cancel()
        await asyncio.gather(*self._starting.values())

    def _kill(self, replica: Program) -> None:
        replica.kill()
        self.counts["kills"] += 1
        starting = asyncio.create_task(replica.start())
        self._starting[replica.port] = starting
        starting.add_done_callback(lambda _: self._starting.pop(replica.port))

    async def _restart_store(self, server: RedisServer) -> None:
        server.kill()
        self.counts["store restarts"] += 1
        await asyncio.sleep(self._random.uniform(0.0, 0.5))
        await asyncio.to_thread(server.start)

    async def _cut(self) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(0.2, 0.9) * self._arguments.calm)
            self.counts["connections cut"] += self._proxy.cut_one()

    async def _compare_with_logs(self) -> None:
        """Compare each answer with the uninterrupted one, and with the events of its log."""
        store = open_store(TurnSettings(store=self.store))
        for which, answer in self.answers:
            expected = self.expected[which]
            if answer.text != expected.text:
                self.counts["texts that differ"] += 1
                self.differences.append(f"{answer.id}: {answer.text}\n  uninterrupted: {expected.text}")
            self.counts["endings that differ"] += answer.finish_reason != expected.finish_reason
            self.counts["usages that differ"] += answer.usage != expected.usage
            stored = await store.load(answer.id)
            if stored is None or stored.evicted:
                self.failures.append(f"turn {answer.id} is not in the store")
                continue
            request = decode_request(stored.body)
            tools = {tool.function.name: tool.function.parameters for tool in request.tools or ()}
            new_parser = partial(
                OutputParser,
                FORMATS["glm-4.6"],
                tools,
                thinking=request.wants_thinking,
                tool_stream=request.tool_stream,
            )
            interpreted = Interpreter(new_parser).feed(
                [event for event in stored.tail.events if isinstance(event, Event)]
            )
            events = [piece for event in interpreted for piece in pieces_of(event)]
            lost, twice = compare(events, answer.pieces)
            self.counts["events"] += len(interpreted)
            self.counts["events lost"] += lost
            self.counts["events twice"] += twice
            self.counts["endings in the logs"] += sum(isinstance(event, Finish) for event in interpreted)
            self.counts["taken over"] += stored.tail.cursor.fence - 1
        await store.close()


def report(chaos: Chaos, seconds: float) -> int:
    """Print the figures; return the exit status."""
    counts = chaos.counts
    turns = len(chaos.answers)
    rows = {
        "turns": turns,
        **{name: counts[name] for name in ("kills", "store restarts", "connections cut", "taken over")},
        "connections": chaos.connections,
        "requests repeated": counts["repeated"],
        **{name: counts[name] for name in ("events", "events lost", "events twice", "texts that differ")},
        **{name: counts[name] for name in ("endings that differ", "usages that differ")},
        "turns without exactly one ending": abs(counts["endings in the logs"] - turns),
        "failures": len(chaos.failures),
    }
    for name, value in rows.items():
        print(f"{name:>34} {value:>8}")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{'seconds':>34} {seconds:>8.0f}   (CPU of the servers {usage.ru_utime + usage.ru_stime:.0f})")
    for failure in (*chaos.failures, *chaos.differences)[:20]:
        print(failure)
    bad = ("events lost", "events twice", "texts that differ", "endings that differ", "usages that differ")
    is_bad = any(counts[name] for name in bad) or rows["turns without exactly one ending"] or chaos.failures
    return 1 if is_bad or not turns else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument(
        "--store", choices=[name for name, kind in STORES.items() if kind.is_shared], default="sqlite"
    )
    parser.add_argument(
        "--engines", nargs="+", choices=["llama", "completions"], default=["llama", "completions"]
    )
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--questions", type=int, default=16, help="number of different questions")
    parser.add_argument("--pace", type=float, default=0.02, help="seconds per token")
    parser.add_argument("--lease", type=float, default=1.0, help="seconds")
    parser.add_argument("--calm", type=float, default=1.0, help="factor for the time between faults")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="write to this directory and keep it")
    arguments = parser.parse_args()
    os.environ["NO_PROXY"] = "*"
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        directory = arguments.keep or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        chaos = Chaos(arguments, directory)
        began = time.monotonic()
        try:
            asyncio.run(chaos.run())
        finally:
            chaos.stop()
        return report(chaos, time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
