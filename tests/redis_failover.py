"""A Redis primary with a replica that takes its place, perhaps without the last writes."""

import time
from contextlib import suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import ResponseError

from redis_server import RedisServer

__all__ = ["ReplicatedRedis"]


class ReplicatedRedis:
    """Two servers.

    Args:
        directory: of their files.
        options: of both.
    """

    def __init__(self, directory: Path, *options: str) -> None:
        for name in ("primary", "replica"):
            (directory / name).mkdir(parents=True)
        self._primary = RedisServer(directory / "primary", *options)
        self._replica = RedisServer(directory / "replica", *options)
        self.url = self._primary.url
        """Of the primary, before and after a failover."""

    @property
    def ports(self) -> tuple[int, int]:
        """Those of the primary and of the replica."""
        return self._primary.port, self._replica.port

    def start(self) -> None:
        """Start both; return when the replica follows."""
        self._primary.start()
        with Redis.from_url(self.url) as client:
            client.config_set("repl-diskless-sync-delay", 0)
        self._replica.start()
        self._follow()

    def pause(self) -> None:
        """Let the replica miss all further writes."""
        with Redis.from_url(self.url) as client, Redis.from_url(self._replica.url) as replica:
            client.set("before", "pause")
            while not client.wait(1, 1000):
                pass
            replica.execute_command("REPLICAOF", "NO", "ONE")

    def fail_over(self) -> None:
        """Kill the primary, and let the replica have its address."""
        self._primary.kill()
        with Redis.from_url(self._replica.url) as replica:
            replica.execute_command("REPLICAOF", "NO", "ONE")
            replica.config_set("port", self._primary.port)
        self._primary, self._replica = self._replica, self._primary
        self._primary.port, self._replica.port = self._replica.port, self._primary.port

    def rejoin(self) -> None:
        """Start the server that was killed as the replica of the other one."""
        self._replica.start()
        self._follow()

    def demote(self) -> None:
        """Let the two servers change places, but not addresses."""
        self.pause()
        with Redis.from_url(self.url) as client:
            client.execute_command("REPLICAOF", "127.0.0.1", str(self._replica.port))

    def isolate(self) -> None:
        """Let the primary refuse writes for lack of its replica, which becomes another primary."""
        self.pause()
        with Redis.from_url(self.url) as client:
            client.config_set("min-replicas-to-write", 1)
            with suppress(ResponseError):  # once it has noticed that it has no replica
                while client.set("before", "isolation"):
                    pass

    def kill(self) -> None:
        """Kill the primary; `restart` starts it again."""
        self._primary.kill()

    def restart(self) -> None:
        """Start the primary."""
        self._primary.start()

    def stop(self) -> None:
        """Stop both."""
        self._primary.stop()
        self._replica.stop()

    def _follow(self) -> None:
        with Redis.from_url(self.url) as client, Redis(port=self._replica.port) as replica:
            replica.execute_command("REPLICAOF", "127.0.0.1", str(self._primary.port))
            deadline = time.monotonic() + 60
            while replica.info("replication")["master_link_status"] != "up":
                assert time.monotonic() < deadline
                time.sleep(0.02)
            client.set("before", "start")
