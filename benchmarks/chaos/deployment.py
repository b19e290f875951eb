"""The servers under test, `headrace serve` over one store, as processes that can be killed and stopped."""

import asyncio
import itertools
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from question import END

from store_backends import BACKENDS

__all__ = ["DEFAULT_MAX_TOKENS", "REPLICAS", "Server", "Store"]

DEFAULT_MAX_TOKENS: Final = 120
"""Of the model `words`."""

REPLICAS: Final[Mapping[str, Sequence[int]]] = {"sqlite": (1, 2), "redis": (2, 3)}
"""How many replicas are tested with each store."""

_CONFIGS: Final = {
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
    """

    def __init__(self, folder: Path, number: int, upstream_port: int, options: Sequence[str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.number = number
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
        self._config.write_text(_CONFIGS[model].replace("UPSTREAM_PORT", str(self._upstream_port)))

    async def start(self) -> None:
        """Start the process, and return when it accepts connections or is killed."""
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
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def suspend(self) -> None:
        """SIGSTOP."""
        self._send(signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT."""
        self._send(signal.SIGCONT)

    async def terminate(self) -> None:
        """SIGTERM; return when the process has ended."""
        self._send(signal.SIGTERM)
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)

    def _send(self, number: signal.Signals) -> None:
        if self.is_running and self._process is not None:
            self._process.send_signal(number)


class Store:
    """The turn store, which can fail.

    Args:
        name: `sqlite` or `redis`.
        folder: of its files.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.address, self._redis = BACKENDS[name](folder, fsync=False)
        self._folder = folder

    @property
    def is_server(self) -> bool:
        """Whether the store is a server of its own."""
        return self._redis is not None

    def start(self) -> None:
        if self._redis:
            self._redis.start()

    def stop(self) -> None:
        if self._redis:
            self._redis.stop()

    async def block(self, seconds: float) -> None:
        """Make the store unavailable: kill its server and start it later, or lock the SQLite file."""
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
