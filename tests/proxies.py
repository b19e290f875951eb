"""nginx and HAProxy with the configurations of deploy/, of which only addresses, paths and times are replaced."""

import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import trustme

__all__ = ["DEPLOY", "PROXIES", "HaproxyServer", "NginxServer", "ProxyServer", "find_program", "free_port"]

DEPLOY = Path(__file__).parents[1] / "deploy"
SERVERS = ("127.0.0.1:8001", "127.0.0.1:8002")
"""In the configurations."""


def find_program(name: str) -> str | None:
    """Return the path of a program; Debian's servers are in a directory that users do not have in their PATH."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")


def free_port() -> int:
    """Return a port that is not in use."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class ProxyServer:
    """A proxy on a free loopback port, with a certificate of an authority of its own.

    Args:
        folder: of its files.
        ports: of the servers behind it, at least two.
        replaced: further text of the configuration, and what replaces it.
    """

    name: ClassVar[str]
    file: ClassVar[str]
    reload_signal: ClassVar[signal.Signals]

    def __init__(self, folder: Path, ports: Sequence[int], replaced: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.authority = folder / "authority.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.authority)
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_pem.write_to_path(folder / "tls.key")
        certificate.private_key_and_cert_chain_pem.write_to_path(folder / "tls.pem")
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(folder / "tls.crt", append=True)
        self._folder = folder
        self._configuration = folder / self.file
        text = (DEPLOY / self.file).read_text()
        first, second = (
            line for line in text.splitlines(keepends=True) if any(map(line.__contains__, SERVERS))
        )
        lines = (
            first.replace(SERVERS[0], f"127.0.0.1:{port}").replace("headrace1", f"headrace{number}")
            for number, port in enumerate(ports, 1)
        )
        text = text.replace(second, "").replace(first, "".join(lines))
        for old, new in {
            "/etc/headrace": str(folder),
            **self._paths(),
            **(replaced or {}),
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        self._configuration.write_text(text)

    def context(self) -> ssl.SSLContext:
        """Return the TLS context of a client that trusts the proxy."""
        return ssl.create_default_context(cafile=str(self.authority))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the proxy; return when it accepts connections."""
        with (self._folder / "proxy.log").open("a") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "proxy.log").read_text())
            time.sleep(0.01)

    def reload(self) -> None:
        """Read the configuration again, in new processes; the old ones end with their streams, or at their limit."""
        before = self._children()
        deadline = time.monotonic() + 30
        while self._children() <= before:  # HAProxy has been seen to miss the signal
            self._process.send_signal(self.reload_signal)
            for _ in range(100):
                time.sleep(0.01)
                if not self._children() <= before:
                    return
            assert time.monotonic() < deadline

    def _children(self) -> set[str]:
        pid = self._process.pid
        return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    def stop(self) -> None:
        """Stop the proxy at once, with its streams."""
        self._process.terminate()
        self._process.wait(30)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _paths(self) -> Mapping[str, str]:
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError


class NginxServer(ProxyServer):
    """nginx."""

    name = "nginx"
    file = "nginx.conf"
    reload_signal = signal.SIGHUP

    def _paths(self) -> Mapping[str, str]:
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "".join(f"{kind}_temp_path {self._folder}/{kind};" for kind in kinds)
        return {
            "user www-data;": f"user {pwd.getpwuid(os.getuid()).pw_name};",  # who can read the folder
            "listen 443": f"listen 127.0.0.1:{self.port}",
            "http {": f"http {{ {places}",
        }

    def _command(self) -> list[str]:
        places = f"daemon off; pid {self._folder}/nginx.pid; error_log stderr;"
        return [str(find_program("nginx")), "-c", str(self._configuration), "-e", "stderr", "-g", places]


class HaproxyServer(ProxyServer):
    """HAProxy."""

    name = "haproxy"
    file = "haproxy.cfg"
    reload_signal = signal.SIGUSR2

    def _paths(self) -> Mapping[str, str]:
        return {"bind :443": f"bind 127.0.0.1:{self.port}"}

    def _command(self) -> list[str]:
        return [str(find_program("haproxy")), "-W", "-f", str(self._configuration)]


PROXIES: Mapping[str, type[ProxyServer]] = {kind.name: kind for kind in (NginxServer, HaproxyServer)}
