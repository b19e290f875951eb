"""The options of the server: `[server]`."""

from ipaddress import ip_address
from typing import Annotated

import msgspec

from headrace.options import Bytes, OptionError, describe, unit
from headrace.turns.settings import TurnSettings

__all__ = ["Settings", "is_loopback"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to listen, whom to serve, and the limits of requests and streams."""

    host: Annotated[
        str,
        describe("address to listen on; needs HEADRACE_API_KEYS unless it is a loopback address", "ADDRESS"),
    ] = "127.0.0.1"
    port: Annotated[
        int, unit("PORT", least=0, most=65535), describe("TCP port to listen on; 0 picks a free port")
    ] = 8000
    api_keys: Annotated[
        tuple[str, ...],
        describe(
            "API keys that clients can use, each as id.secret, separated by commas",
            "KEYS",
            default="none: programs on this machine need no key",
            sources=("variable",),
        ),
    ] = ()
    keep_alive_interval: Annotated[
        float,
        msgspec.Meta(gt=0, le=1e9),
        describe("how long a stream can be silent before a comment is sent; must be above 0", "SECONDS"),
    ] = 8.0
    max_body_size: Annotated[
        Bytes | None,
        describe(
            "size limit of a request body; larger requests get status 400",
            "BYTES",
            default="2 MiB and 64 bytes for each token of the largest context served, at least 32 MiB if a"
            " model accepts images; 32 MiB if a model's context is unknown",
        ),
    ] = None
    request_timeout: Annotated[
        float,
        unit("SECONDS", least=0.1, most=1e9),
        describe(
            "how long a client may take to send the head of a request, and each 64 KiB of its body, before it"
            " gets status 408; at least 0.1"
        ),
    ] = 60.0
    connection_idle_timeout: Annotated[
        float,
        unit("SECONDS", least=0.1, most=1e9),
        describe("how long a connection without a request stays open; at least 0.1"),
    ] = 75.0
    max_connections: Annotated[
        int,
        unit("NUMBER", least=1),
        describe(
            "limit of open connections, lower if the operating system allows fewer open files; at the limit,"
            " the connection that has waited longest for a request is closed"
        ),
    ] = 10_000
    max_connections_per_address: Annotated[
        int,
        unit("NUMBER", least=0),
        describe(
            "limit of open connections from one address, such as that of a proxy",
            default="0: half of --max-connections",
        ),
    ] = 0
    allowed_hosts: Annotated[
        tuple[str, ...],
        describe(
            "host names beside localhost and loopback addresses that a server without API keys accepts in the"
            " headers Host and Origin, separated by commas",
            "NAMES",
            default="none",
        ),
    ] = ()
    shutdown_timeout: Annotated[
        int,
        unit("SECONDS", least=0),
        describe("how long to wait for open streams at shutdown; 0 closes them immediately"),
    ] = 30
    turns: TurnSettings = TurnSettings()

    def __post_init__(self) -> None:
        ids = set()
        for number, key in enumerate(self.api_keys, 1):
            id, _, secret = key.partition(".")
            if not id or not secret:
                raise OptionError("api_keys", f"key {number} is not of the form id.secret")
            if id in ids:
                raise OptionError("api_keys", f"two keys have the id {id}; give each key an id of its own")
            ids.add(id)
        if not self.api_keys and not is_loopback(self.host):
            raise OptionError(
                "host",
                f"{self.host} is not a loopback address, and without API keys the server accepts only local"
                " clients; set HEADRACE_API_KEYS=id.secret[,…] or listen on 127.0.0.1",
            )


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
