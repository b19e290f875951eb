"""Listening sockets: TCP, where possible one for each worker, or a Unix socket for all.

A port is bound when the server starts, so that errors come early, but connections are refused until the
models are loaded: a proxy then uses another server, instead of waiting.

The sockets of workers belong to their supervisor: connections that a worker has not accepted when it dies
stay in the queue of its socket, and another worker accepts them.
"""

import errno
import socket
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from headrace.configuration.settings import Settings
from headrace.errors import RequestError

__all__ = ["CAN_SPREAD", "binding", "listen", "listen_on_path", "start_listening", "url_of"]

CAN_SPREAD: Final = sys.platform == "linux"
"""Whether the kernel spreads connections over all sockets that listen on one port. Others do not."""

_BACKLOG: Final = 2048  # as uvicorn's
_PORT_OPTIONS: Final = "--port or HEADRACE_PORT"
_UNSENT: Final = 128 * 1024
"""Bytes that the kernel keeps for a client that does not read, by default 4 MB. The rest is merged."""
_SOCKET_MODE: Final = 0o660  # the server's user and group
_CONNECT_TIMEOUT: Final = 1.0  # seconds


@contextmanager
def binding(settings: Settings) -> Iterator[list[socket.socket]]:
    """Bind to the configured address, within a `with` block: with one socket for each worker, or one for all.

    Raises:
        RequestError: the machine does not have the address, or the port or the path cannot be used.
    """
    with ExitStack() as stack:
        if settings.unix_socket:
            yield [stack.enter_context(listen_on_path(Path(settings.unix_socket)))]
            return
        first = stack.enter_context(_bind(settings.host, settings.port, _PORT_OPTIONS))
        if settings.workers == 1 or not CAN_SPREAD:
            yield [first]
            return
        port = first.getsockname()[1]
        first.close()
        yield [
            stack.enter_context(_bind(settings.host, port, _PORT_OPTIONS, is_shared=True))
            for _ in range(settings.workers)
        ]


def start_listening(listeners: Sequence[socket.socket]) -> None:
    """Listen on sockets of `binding`: the kernel queues connections until the server accepts them.

    Raises:
        RequestError: another server, which has started at the same time, has the port.
    """
    with ExitStack() as stack:
        if listeners[0].family != socket.AF_UNIX:
            host, port = listeners[0].getsockname()[:2]
            stack.enter_context(_naming(host, port, _PORT_OPTIONS))
            if len(listeners) > 1:  # otherwise the sockets of two servers could share the port unnoticed
                listen(host, port, port_options=_PORT_OPTIONS).close()
        for listener in listeners:
            listener.listen(_BACKLOG)


def listen(host: str, port: int, *, port_options: str = "--port") -> socket.socket:
    """Open a listening socket. The kernel queues connections until the server accepts them.

    Args:
        host: an address or a name of this machine.
        port: 0 to 65535; 0 picks a free port.
        port_options: the options that set the port, for messages.

    Raises:
        RequestError: the machine does not have the address, or the port cannot be used.
    """
    listener = _bind(host, port, port_options)
    listener.listen(_BACKLOG)
    return listener


def _bind(host: str, port: int, port_options: str, *, is_shared: bool = False) -> socket.socket:
    """Open a socket that will listen; `is_shared` if further ones of this user may listen on the port."""
    if host.startswith("["):
        msg = f"--host: write {host.strip('[]')} without brackets"
        raise RequestError(msg)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)  # connections inherit it
    try:
        with _naming(host, port, port_options):
            listener.bind((host, port))
    except RequestError:
        listener.close()
        raise
    return listener


@contextmanager
def _naming(host: str, port: int, port_options: str) -> Iterator[None]:
    """Translate the error of an address or a port that cannot be used."""
    try:
        yield
    except (OSError, OverflowError, UnicodeError) as error:
        msg = f"cannot listen on port {port} of {host}: {_reason(error, host, port_options)}"
        raise RequestError(msg) from None


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


@contextmanager
def listen_on_path(path: Path) -> Iterator[socket.socket]:
    """Listen on a Unix socket within a `with` block. A socket without a listening process is replaced.

    Raises:
        RequestError: the path cannot be used.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            reason = _in_use(path)
            if not reason:
                listener.bind(str(path))
                identity = path.stat().st_ino
                path.chmod(_SOCKET_MODE)
                listener.listen(_BACKLOG)
        except OSError as error:
            reason = f"{error.strerror or error}; choose another path with --unix-socket"
        if reason:
            msg = f"cannot listen on the Unix socket {path}: {reason}"
            raise RequestError(msg)
        try:
            yield listener
        finally:
            with suppress(OSError):
                if path.stat().st_ino == identity:  # another server may have replaced it
                    path.unlink()


def _in_use(path: Path) -> str:
    """Remove a socket that was left behind; return why the path cannot be used, "" if it can."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return "there is another file; remove it, or choose another path with --unix-socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(_CONNECT_TIMEOUT)
            try:
                client.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
            except TimeoutError:  # its queue is full
                return "another process listens on it; choose another path with --unix-socket"
            else:
                return "another process listens on it; choose another path with --unix-socket"
    return ""


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """Return the base URL of a listening socket; that of a Unix socket is written as nginx writes it."""
    if listener.family == socket.AF_UNIX:
        return f"{scheme}://unix:{listener.getsockname()}:"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
