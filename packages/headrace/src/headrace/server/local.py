"""Running an application: in the foreground as a program, or in a thread on a free port.

`LocalServer` is what the tests and examples use, and yours may:

    with LocalServer(app) as server:
        client = zai.ZaiClient(api_key="-", base_url=f"{server.url}/api/paas/v4")
"""

import gc
import socket
import threading
import time
from types import TracebackType
from typing import Any, Final, Self

import uvicorn

from headrace.errors import RequestError
from headrace.server.http_protocol import HttpProtocol
from headrace.server.settings import Settings

__all__ = ["LocalServer", "listen", "run", "url_of"]

_BACKLOG: Final = 2048  # uvicorn's


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections at once, even if they have to wait; port 0 takes a free one.

    Raises:
        RequestError: the address is taken, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", error)
        msg = f"cannot listen on {host}:{port}: {reason}; --port 0 takes a free port"
        raise RequestError(msg) from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Where a client finds it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: Any, listener: socket.socket, settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; open streams then get `shutdown_timeout` seconds to end."""
    # What start-up made stays for ever: a full collection with thousands of open streams would look
    # at it again each time and stop every stream for 100 ms and more.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000)
    _uvicorn(app, settings.shutdown_timeout).run(sockets=[listener])


class LocalServer:
    """An application on a free loopback port, in a thread of its own, for the length of a `with`."""

    def __init__(self, app: Any) -> None:
        self._listener = listen("127.0.0.1", 0)
        self._server = _uvicorn(app, shutdown_timeout=1)
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


def _uvicorn(app: Any, shutdown_timeout: int) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=HttpProtocol,
            ws="none",
            lifespan="on",
            log_level="warning",
            use_colors=False,  # uvicorn would ask the standard output, which may be closed
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=shutdown_timeout,
        )
    )
