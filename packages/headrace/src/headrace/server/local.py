"""Running an ASGI application: in the foreground, or in a thread on a free port.

`LocalServer` is for tests:

    with LocalServer(app) as server:
        client = zai.ZaiClient(api_key="-", base_url=f"{server.url}/api/paas/v4")
"""

import errno
import resource
import signal
import socket
import threading
import time
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import uvicorn

from headrace.errors import RequestError
from headrace.server import memory
from headrace.server.connections import Connections
from headrace.server.http_protocol import HttpProtocol, Limits
from headrace.server.settings import Settings

__all__ = ["LocalServer", "listen", "raise_file_limit", "run", "url_of"]

_BACKLOG: Final = 2048  # as uvicorn's
_FILES_PER_CONNECTION: Final = 2  # the client's socket, and one to an upstream
_OTHER_FILES: Final = 64
_MOST_FILES: Final = 1024 * 1024  # Linux and macOS allow no more by default, though the limit can be infinite
_DEFAULTS: Final = Settings()


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


def listen(host: str, port: int, *, port_options: str = "--port") -> socket.socket:
    """Open a listening socket. The kernel queues connections until the server accepts them.

    Args:
        host: an address or a name of this machine.
        port: 0 to 65535; 0 picks a free port.
        port_options: the options that set the port, for messages.

    Raises:
        RequestError: the machine does not have the address, or the port cannot be used.
    """
    if host.startswith("["):
        msg = f"--host: write {host.strip('[]')} without brackets"
        raise RequestError(msg)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        listener.close()
        msg = f"cannot listen on port {port} of {host}: {_reason(error, host, port_options)}"
        raise RequestError(msg) from None
    return listener


def _reason(error: OSError | OverflowError | UnicodeError, host: str, port_options: str) -> str:
    """Describe what is wrong with the address or the port, and what to do."""
    if isinstance(error, OverflowError):
        return f"a port is a number from 0 to 65535; correct {port_options}"
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"{host} cannot be resolved; correct --host, or use an address such as 127.0.0.1"
    match error.errno:
        case errno.EADDRINUSE:
            return f"the port is in use; choose another one with {port_options}, where 0 picks a free port"
        case errno.EADDRNOTAVAIL:
            return "this machine does not have this address; --host 0.0.0.0 or :: listens on all addresses"
        case errno.EACCES:
            return f"permission denied; choose a port above 1023 with {port_options}"
        case _:
            return f"{error.strerror}; correct --host or {port_options}"


def url_of(listener: socket.socket) -> str:
    """Return the base URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: Any, listener: socket.socket, settings: Settings) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP, then wait up to `shutdown_timeout` seconds for open streams."""
    memory.tune()
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # nohup ignores it
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    most = min(settings.max_connections, (files - _OTHER_FILES) // _FILES_PER_CONNECTION)
    _uvicorn(app, settings, most, settings.shutdown_timeout).run(sockets=[listener])


class LocalServer:
    """An application on a free loopback port, in a separate thread, for the duration of a `with` block.

    Args:
        app: the application.
        settings: limits of connections.
    """

    def __init__(self, app: Any, settings: Settings = _DEFAULTS) -> None:
        self._listener = listen("127.0.0.1", 0)
        self._server = _uvicorn(app, settings, settings.max_connections, shutdown_timeout=1)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True
        )
        self.url = url_of(self._listener)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.002)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()


def _uvicorn(app: Any, settings: Settings, most: int, shutdown_timeout: int) -> uvicorn.Server:
    most_per_address = settings.max_connections_per_address or max(1, most // 2)
    limits = Limits(Connections(most, most_per_address), settings.request_timeout)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=partial(HttpProtocol, limits),  # type: ignore[arg-type]
            ws="none",
            proxy_headers=False,
            lifespan="on",
            log_level="warning",
            use_colors=False,  # otherwise uvicorn calls sys.stdout.isatty(), but stdout may be closed
            access_log=False,
            server_header=False,
            timeout_keep_alive=settings.connection_idle_timeout,  # type: ignore[arg-type]
            timeout_graceful_shutdown=shutdown_timeout,
        )
    )
