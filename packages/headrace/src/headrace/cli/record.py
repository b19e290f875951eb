"""`headrace record`: a proxy that records the responses of a server."""

import argparse
import os
from pathlib import Path
from typing import Any, Final

from headrace.cli.streams import announce
from headrace.configuration.settings import Settings, is_loopback
from headrace.engines.http import HttpTransport
from headrace.errors import RequestError
from headrace.models.loading import read_key
from headrace.options import OptionError
from headrace.server.listening import listen, url_of
from headrace.server.local import raise_file_limit, run
from headrace.server.recorder import Recorder
from headrace.server.signals import end_by
from headrace.server.turn_endpoints import PREFIXES
from headrace.turns.addresses import without_secrets

__all__ = ["add_parser"]

_MAX_BODY_SIZE: Final = 32 * 1024 * 1024


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "record",
        description="Forward requests to a server and write each response, with its timing, as a recording"
        " that `headrace serve --engine recorded --model DIR` plays. Recordings contain prompts and answers,"
        " but no headers. Options cannot be set by environment variables or in headrace.toml.",
    )
    parser.add_argument(
        "--output-dir",
        metavar="DIR",
        type=Path,
        required=True,
        help="directory for the recordings; created if missing",
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
        help="TCP port to listen on; 0 picks a free port (default: %(default)s)",
    )
    parser.add_argument(
        "--upstream-key-env",
        default="",
        metavar="VARIABLE",
        help="name of the environment variable that contains the server's API key (default: the client's own"
        " key is forwarded)",
    )
    parser.add_argument(
        "--max-body-size",
        metavar="BYTES",
        type=int,
        default=_MAX_BODY_SIZE,
        help="size limit of a request body; larger requests get status 400 (default: %(default)s)",
    )
    parser.add_argument("url", metavar="URL", help="base URL of the server, such as http://gpu1:8000/v1")
    parser.set_defaults(run=_record)


def _record(arguments: argparse.Namespace) -> int:
    if not is_loopback(arguments.host):
        msg = (
            f"--host: {arguments.host} is not a loopback address; `record` has no API keys, so use 127.0.0.1"
        )
        raise RequestError(msg)
    variable = arguments.upstream_key_env
    key = _key(variable)
    raise_file_limit()
    with listen(arguments.host, arguments.port) as listener:
        transport = HttpTransport(arguments.url, key=key, key_variable=variable)
        url = url_of(listener)
        announce(
            f"headrace: recording {without_secrets(arguments.url)}\n"
            f"  endpoints   {', '.join(url + prefix for prefix in PREFIXES)}\n"
            f"  recordings  {arguments.output_dir}"
        )
        recorder = Recorder(transport, arguments.output_dir, arguments.max_body_size)
        ended_by = run(recorder, [listener], Settings())
    return end_by(ended_by)


def _key(variable: str) -> str:
    try:
        return read_key(variable, os.environ)
    except OptionError as error:
        raise RequestError(f"--upstream-key-env: {error.reason}") from None
