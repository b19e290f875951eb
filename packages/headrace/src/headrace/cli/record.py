"""`headrace record`: stand between a client and a server, and keep what the server says."""

import argparse
import os
from pathlib import Path
from typing import Any

from headrace.cli.streams import announce
from headrace.engines.http import HttpTransport
from headrace.models.loading import read_key
from headrace.server.app import PREFIXES
from headrace.server.local import listen, run, url_of
from headrace.server.recorder import Recorder
from headrace.server.settings import Settings

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "record",
        description="Passes requests on to a server and writes each answer, with its timing, as a trace"
        " that `headrace serve --engine recorded --model DIR` plays. Prompts and answers are kept, headers"
        " are not.",
    )
    parser.add_argument("--to", metavar="DIR", type=Path, required=True, help="where the traces go")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port; 0 takes a free one (8000)")
    key = "environment variable with the server's key; without one, the clients' own are passed on"
    parser.add_argument("--key", default="", metavar="NAME", help=key)
    parser.add_argument("url", metavar="URL", help="base URL of the server, such as http://gpu1:8000/v1")
    parser.set_defaults(run=_record)


def _record(arguments: argparse.Namespace) -> int:
    settings = Settings(host=arguments.host, port=arguments.port)
    key = read_key(arguments.key, os.environ)
    with listen(settings.host, settings.port) as listener:
        transport = HttpTransport(arguments.url, key=key, key_variable=arguments.key)
        url = url_of(listener)
        announce(
            f"headrace: recording {arguments.url}\n"
            f"  ask     {', '.join(url + prefix for prefix in PREFIXES)}\n"
            f"  traces  {arguments.to}"
        )
        run(Recorder(transport, arguments.to), listener, settings)
    return 0
