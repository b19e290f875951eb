"""`headrace record`: stand between a client and a server, and keep what the server says."""

import argparse
import os
from pathlib import Path
from typing import Any

from headrace.cli.streams import announce
from headrace.engines.http import HttpTransport
from headrace.errors import RequestError
from headrace.models.loading import read_key
from headrace.options import OptionError
from headrace.server.app import PREFIXES
from headrace.server.local import listen, run, url_of
from headrace.server.recorder import Recorder
from headrace.server.settings import Settings, is_loopback

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "record",
        description="Pass requests on to a server and write each answer, with its timing, as a trace that"
        " `headrace serve --engine recorded --model DIR` plays. Traces hold prompts and answers, and no"
        " headers. Neither variables nor headrace.toml are read.",
    )
    parser.add_argument(
        "--to", metavar="DIR", type=Path, required=True, help="directory for the traces; created if missing"
    )
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="loopback address to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        metavar="PORT",
        type=int,
        default=8000,
        help="TCP port to listen on; 0 picks a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--key",
        default="",
        metavar="NAME",
        help="name of the environment variable that holds the server's API key (default: the client's own key"
        " is passed on)",
    )
    parser.add_argument("url", metavar="URL", help="base URL of the server, such as http://gpu1:8000/v1")
    parser.set_defaults(run=_record)


def _record(arguments: argparse.Namespace) -> int:
    if not is_loopback(arguments.host):
        msg = (
            f"--host: {arguments.host} is not a loopback address, and `record` checks no keys; use 127.0.0.1"
        )
        raise RequestError(msg)
    key = _key(arguments.key)
    with listen(arguments.host, arguments.port) as listener:
        transport = HttpTransport(arguments.url, key=key, key_variable=arguments.key)
        url = url_of(listener)
        announce(
            f"headrace: recording {arguments.url}\n"
            f"  ask     {', '.join(url + prefix for prefix in PREFIXES)}\n"
            f"  traces  {arguments.to}"
        )
        run(Recorder(transport, arguments.to), listener, Settings())
    return 0


def _key(variable: str) -> str:
    try:
        return read_key(variable, os.environ)
    except OptionError as error:
        raise RequestError(f"--{error.message}") from None
