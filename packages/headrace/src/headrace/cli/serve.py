"""`headrace serve`: serve the API, in this process or in several workers."""

import argparse
import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from headrace.cli.loading import load
from headrace.cli.streams import announce
from headrace.configuration import configure
from headrace.configuration.groups import OPTION_GROUPS
from headrace.configuration.reload import LiveConfiguration
from headrace.errors import HeadraceError
from headrace.server.listening import binding, start_listening, url_of
from headrace.server.local import raise_file_limit, run
from headrace.server.signals import end_by, on_hangup
from headrace.server.workers.private_store import with_private_store
from headrace.server.workers.supervisor import Supervisor
from headrace.telemetry.logs import start_logging

__all__ = ["add_parser"]

_LOGGER: Final = logging.getLogger("headrace")
_WORKER: Final = (sys.executable, "-m", "headrace.cli.worker")


def add_parser(commands: Any) -> None:
    """Add the command and its options, which the settings classes define."""
    parser = commands.add_parser(
        "serve",
        description="Serve the API. Options can also be set by environment variables (HEADRACE_<NAME>) and in"
        " headrace.toml; flags take precedence over variables, and variables over the file. To require an API"
        " key from clients, set HEADRACE_API_KEYS=id.secret[,…], or HEADRACE_MASTER_KEY and create keys with"
        " `headrace keys`; there are no flags for them.",
    )
    for title, options in OPTION_GROUPS.items():
        group = parser.add_argument_group(title)
        for option in options:
            if "flag" in option.sources:
                text = f"{option.description} (default: {option.default})".replace("%", "%%")
                group.add_argument(option.flag, metavar=option.metavar, help=text)
    parser.set_defaults(run=_serve)


def _serve(arguments: argparse.Namespace) -> int:
    on_hangup(lambda: None, lambda: signal.raise_signal(signal.SIGTERM))  # until there is something to reload
    flags = {name: value for name, value in vars(arguments).items() if name != "run"}
    live = LiveConfiguration(partial(configure, flags))
    telemetry = live.value.settings.telemetry
    start_logging(telemetry)
    try:
        return end_by(_run(flags, live))
    except HeadraceError as error:
        if telemetry.log_format == "text":
            raise
        _LOGGER.critical("%s", error.message)
        return 1


def _run(flags: Mapping[str, Any], live: LiveConfiguration) -> int:
    """Serve; return the signal that has ended the server."""
    settings = live.value.settings
    raise_file_limit()
    with binding(settings) as listeners:
        url = url_of(listeners[0], settings.scheme)
        if settings.workers > 1:
            return _supervise(flags, listeners, url)
        served = load(live.value, url)
        start_listening(listeners)
        announce(served.banner)
        return run(served.app, listeners, settings, live.reload)


def _supervise(flags: Mapping[str, Any], listeners: Sequence[socket.socket], url: str) -> int:
    """Run workers; return the signal that has ended them."""
    with TemporaryDirectory(prefix="headrace-workers-") as name:
        directory = Path(name)
        live = LiveConfiguration(lambda: with_private_store(configure(flags), directory))
        supervisor = Supervisor(_WORKER, listeners, live, directory=directory, url=url, announce=announce)
        return asyncio.run(supervisor.run())
