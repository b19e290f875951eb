"""The servers under test, `headrace serve` over one store, as processes that can be killed and stopped."""

import asyncio
import itertools
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from question import END

from redis_failover import ReplicatedRedis
from store_backends import BACKENDS

__all__ = ["CONFIGS", "DEFAULT_MAX_TOKENS", "REPLICAS", "Server", "Store"]

DEFAULT_MAX_TOKENS: Final = 120
"""Of the model `words`."""

REPLICAS: Final[Mapping[str, Sequence[int]]] = {"sqlite": (1, 2), "redis": (2, 3), "shards": (2, 3)}
"""How many replicas are tested with each store."""

CONFIGS: Final = {
    "words": f"""
[models.words]
engine = "completions"
url = "http://127.0.0.1:UPSTREAM_PORT/v1"
dialect = "vllm"
format = "text"
chat_template = "{{% for message in messages %}}{{{{ message.content }}}}{{% endfor %}}{END}"
default_max_tokens = {DEFAULT_MAX_TOKENS}
""",
    "embedded": """
[models.embedded]
engine = "llama"
slots = 16
""",
}

_STARTS_IN: Final = 120.0  # seconds


class Server:
    """One replica.

    Args:
        folder: of its files.
        number: counted from 0.
        options: of `headrace serve`, besides its port and its model.
        has_workers: whether it has workers, which are killed and stopped in its place.
    """

    def __init__(
        self,
        folder: Path,
        number: int,
        upstream_port: int,
        options: Sequence[str],
        *,
        has_workers: bool = False,
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.number = number
        self._has_workers = has_workers
        self._suspended: Sequence[int] = ()
        self._log = folder / f"server-{number}.log"
        self._config = folder / f"server-{number}.toml"
        self._upstream_port = upstream_port
        self.serve("words")
        command = [sys.executable, "-m", "headrace", "serve"]
        command += ["--config", str(self._config), "--port", str(self.port)]
        self._command = [*command, *options]
        self._process: subprocess.Popen[bytes] | None = None

    def serve(self, model: str) -> None:
        """Choose the model to serve after the next start: `words`, or `embedded`."""
        self._config.write_text(CONFIGS[model].replace("UPSTREAM_PORT", str(self._upstream_port)))

    async def start(self) -> None:
        """Start the process, and return when it accepts connections or is killed."""
        if self._has_workers and self.is_running:
            return  # it has replaced them itself
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
        with self._log.open("ab") as log:
            process = subprocess.Popen(  # noqa: ASYNC220
                self._command, env=environment, stdout=log, stderr=log
            )
        self._process = process
        for _ in range(int(_STARTS_IN / 0.05)):
            await asyncio.sleep(0.05)
            if self._process is not process or process.poll() is not None:
                break
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                continue
            writer.close()
            return
        if self._process is process and process.returncode != -signal.SIGKILL:
            msg = f"server {self.number} did not start; see {self._log}"
            raise RuntimeError(msg)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL: to the process, or to some of its workers."""
        if self._has_workers:
            for pid in self._some_workers():
                os.kill(pid, signal.SIGKILL)
        elif self._process is not None:
            self._process.kill()
            self._process.wait()

    def suspend(self) -> None:
        """SIGSTOP."""
        self._suspended = self._some_workers()
        for pid in self._suspended:
            os.kill(pid, signal.SIGSTOP)
        if not self._has_workers:
            self._send(signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT."""
        for pid in self._suspended:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._send(signal.SIGCONT)

    async def terminate(self) -> None:
        """SIGTERM; return when the process has ended."""
        self._send(signal.SIGTERM)
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)

    def close(self) -> None:
        """End the process, and its workers."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _some_workers(self) -> Sequence[int]:
        """Choose one worker, or now and then all."""
        if not self._has_workers or not self.is_running or self._process is None:
            return ()
        pid = self._process.pid
        workers = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return workers if random.random() < 0.2 else random.sample(workers, min(1, len(workers)))

    def _send(self, number: signal.Signals) -> None:
        if self.is_running and self._process is not None:
            self._process.send_signal(number)


class Store:
    """The turn store, which can fail.

    Args:
        name: `sqlite`, `redis`, or `shards`: three Redis servers, each with a replica.
        folder: of its files.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.shards: list[ReplicatedRedis] = []
        self._redis = None
        self._folder = folder
        if name == "shards":
            self.shards = [ReplicatedRedis(folder / f"shard-{n}", "--appendonly", "yes") for n in range(3)]
            self.address = ",".join(shard.url for shard in self.shards)
        else:
            self.address, self._redis = BACKENDS[name](folder, fsync=False)

    @property
    def is_server(self) -> bool:
        """Whether the store is a server of its own."""
        return self._redis is not None or bool(self.shards)

    def start(self) -> None:
        for server in (*self.shards, *([self._redis] if self._redis else ())):
            server.start()

    def stop(self) -> None:
        for server in (*self.shards, *([self._redis] if self._redis else ())):
            server.stop()

    async def stop_shard(self, seconds: float) -> None:
        """Kill the primary of one shard, and start it again later."""
        shard = random.choice(self.shards)
        shard.kill()
        await asyncio.sleep(seconds)
        await asyncio.to_thread(shard.restart)

    async def fail_over(self, seconds: float) -> None:
        """Let the replica of a shard miss the writes of some seconds, and then take its place."""
        shard = random.choice(self.shards)
        await asyncio.to_thread(shard.pause)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(shard.fail_over)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(shard.rejoin)

    async def block(self, seconds: float) -> None:
        """Make the store unavailable: kill its servers and start them later, or lock the SQLite file."""
        if self.shards:
            for shard in self.shards:
                shard.kill()
            await asyncio.sleep(seconds)
            await asyncio.gather(*(asyncio.to_thread(shard.restart) for shard in self.shards))
            return
        if self._redis:
            self._redis.kill()
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self._redis.start)
            return
        options: dict[str, Any] = {"isolation_level": None, "check_same_thread": False}
        with closing(sqlite3.connect(self._folder / "turns.db", **options)) as sql:
            await asyncio.to_thread(sql.execute, "BEGIN EXCLUSIVE")
            await asyncio.sleep(seconds)

    async def lose(self, size: int) -> None:
        """Cut the last bytes off the log, as a power failure does. No server may have a SQLite file open."""
        if self._redis:
            self._redis.kill()
        logs = itertools.chain(
            self._folder.glob("turns.db-wal"), self._folder.glob("appendonlydir/*.incr.aof")
        )
        for log in logs:
            os.truncate(log, max(log.stat().st_size - size, 0))
        await asyncio.to_thread(self.start)
