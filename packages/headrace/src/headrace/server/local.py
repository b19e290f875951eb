"""Running an ASGI application: in the foreground, or in a thread on a free port.

`LocalServer` is for tests:

    with LocalServer(app) as server:
        client = zai.ZaiClient(api_key="-", base_url=f"{server.url}/api/paas/v4")
"""

import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import uvicorn

from headrace.configuration.settings import Settings
from headrace.errors import RequestError
from headrace.server import memory
from headrace.server.connections import Connections
from headrace.server.drain import Operated, Server
from headrace.server.listening import listen, url_of
from headrace.server.signals import on_hangup

__all__ = ["LocalServer", "most_connections", "new_server", "raise_file_limit", "run"]

_FILES_PER_CONNECTION: Final = 2  # the client's socket, and one to an upstream
_OTHER_FILES: Final = 64
_MOST_FILES: Final = 1024 * 1024  # Linux and macOS allow no more by default, though the limit can be infinite
_DEFAULTS: Final = Settings(shutdown_timeout=1.0)


def raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard limit, as far as a server can need it.

    Raises:
        RequestError: it is too low for a server.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if files < _OTHER_FILES + _FILES_PER_CONNECTION:
        msg = f"the operating system allows only {files} open files; increase the limit with ulimit -n"
        raise RequestError(msg)
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


def run(
    app: Any,
    listeners: Sequence[socket.socket],
    settings: Settings,
    reload: Callable[[], Settings] | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM, and until the drain is over; return the first signal.

    Args:
        app: the application.
        listeners: the sockets.
        settings: limits of connections, and the timeouts of the shutdown.
        reload: called at SIGHUP; returns the settings to use from then on.
    """
    memory.tune()
    server = new_server(Server, app, settings, listeners, most_connections(settings))
    if reload is not None:
        on_hangup(
            lambda: server.call_soon(lambda: server.reload(reload())),
            lambda: server.shut_down(hurry=False),
        )
    server.run()
    return server.ended_by


def most_connections(settings: Settings) -> int:
    """Return how many connections may be open: the limit, or less if too few files may be."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return min(settings.max_connections, (files - _OTHER_FILES) // _FILES_PER_CONNECTION)


class LocalServer:
    """An application on a free loopback port, in a separate thread, for the duration of a `with` block.

    Args:
        app: the application.
        settings: limits of connections, and the timeouts of the shutdown.
    """

    def __init__(self, app: Any, settings: Settings = _DEFAULTS) -> None:
        self._listener = listen("127.0.0.1", 0)
        self._server = new_server(Server, app, settings, [self._listener], settings.max_connections)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self.url = url_of(self._listener, settings.scheme)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.002)
        return self

    def signal(self) -> None:
        """Begin to shut down; called again, end: as the process does at SIGTERM."""
        self._server.handle_exit(signal.SIGTERM, None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shut_down(hurry=False)
        self._thread.join()
        self._listener.close()


S = TypeVar("S", bound=Server)


def new_server(
    kind: type[S], app: Any, settings: Settings, listeners: Sequence[socket.socket], most: int
) -> S:
    """Return a server for an application, with at most so many connections."""
    connections = Connections(most, settings.max_connections_per_address or max(1, most // 2))
    config = uvicorn.Config(
        app,
        ws="none",
        proxy_headers=False,
        lifespan="on",
        log_level="warning",
        log_config=None,  # its loggers are configured as all others are
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,  # only to close connections: all requests have ended
    )
    return kind(config, app if isinstance(app, Operated) else None, connections, settings, listeners)
