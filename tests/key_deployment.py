"""Three servers on one store, as processes, whose clients need API keys; and `headrace keys`."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2

__all__ = ["KeyDeployment"]

_CONFIGURATION = """\
[models."glm-4.6"]
engine = "chat"
url = ["{url}"]
upstream_key_env = "UPSTREAM_KEY"
"""


class KeyDeployment:
    """The servers, as the clients that send requests to each.

    Args:
        directory: for the configuration, and the output of the programs.
        store: the address of the store.
        upstream: the base URL of the model's server.
        environment: the variables with the keys.
    """

    def __init__(self, directory: Path, store: str, upstream: str, environment: dict[str, str]) -> None:
        (directory / "headrace.toml").write_text(_CONFIGURATION.format(url=upstream))
        self.store = store
        self._directory = directory
        self._environment = {**os.environ, **environment, "HEADRACE_STORE": store}
        self._processes = [self._start(f"server{number}", "serve", "--port", "0") for number in range(3)]
        self.clients = [self._client(f"server{number}") for number in range(3)]

    def _start(self, name, *arguments):
        out, err = (self._directory / f"{name}.{stream}" for stream in ("out", "err"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", "headrace", *arguments],
                cwd=self._directory,
                env=self._environment,
                stdout=stdout,
                stderr=stderr,
            )

    def _client(self, name):
        banner = self._directory / f"{name}.out"
        while not (lines := banner.read_text().splitlines()):
            assert all(process.poll() is None for process in self._processes)
        url = lines[0].split()[2].removesuffix("/api/paas/v4")
        return httpx2.Client(base_url=url, trust_env=False, timeout=20)

    def keys(self, *arguments):
        """Run `headrace keys`; return the standard output."""
        name = f"keys{len(list(self._directory.glob('keys*')))}"
        assert self._start(name, "keys", *arguments).wait(60) == 0
        return (self._directory / f"{name}.out").read_text()

    def outputs(self):
        """Return what the programs have printed, except for the new keys."""
        files = [*self._directory.glob("server*"), *self._directory.glob("keys*.err")]
        return {file.name: file.read_bytes() for file in files}

    def stop(self):
        """Stop the servers."""
        for client in self.clients:
            client.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(60)
