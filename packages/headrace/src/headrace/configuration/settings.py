"""The options of the server: `[server]`."""

import re
from contextlib import suppress
from ipaddress import ip_address
from typing import Annotated, Final

import msgspec

from headrace.keys.master_key import MasterKey
from headrace.keys.records import NEEDS_STORE
from headrace.limits.settings import LimitSettings
from headrace.options import Bytes, OptionError, Seconds, describe, unit
from headrace.telemetry.settings import TelemetrySettings
from headrace.turns.settings import TurnSettings

__all__ = ["Settings", "is_loopback"]


_MAKE_ROOM: Final = (
    "the connection that has waited longest for a complete request is closed; if there is none, the new one"
    " gets 503: 1302"
)
_ORIGIN: Final = re.compile(
    r"([a-z][a-z0-9+.-]*)://([a-z0-9*._-]+|\[[0-9a-f:]+\])(?::([0-9]{1,5}))?/*", re.IGNORECASE | re.ASCII
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to listen, whom to serve, and the limits of requests and streams."""

    host: Annotated[
        str,
        describe("address to listen on; needs API keys unless it is a loopback address", "ADDRESS"),
    ] = "127.0.0.1"
    port: Annotated[
        int, unit("PORT", least=0, most=65535), describe("TCP port to listen on; 0 picks a free port")
    ] = 8000
    unix_socket: Annotated[
        str,
        describe(
            "Unix socket to listen on instead of host and port; its user and group may connect (mode 0660)",
            "PATH",
            default="none",
        ),
    ] = ""
    workers: Annotated[
        int,
        unit("NUMBER", least=1, most=1024),
        describe(
            "number of processes that serve requests. Each loads the models, so llama.cpp needs the memory of"
            " a model as many times"
        ),
    ] = 1
    tls_cert: Annotated[
        str,
        describe(
            "PEM file with the certificate for HTTPS, and those of its issuers",
            "FILE",
            default="none: HTTP without encryption",
            reloads=True,
        ),
    ] = ""
    tls_key: Annotated[
        str,
        describe(
            "PEM file with the private key of --tls-cert",
            "FILE",
            default="it is in the file of --tls-cert",
            reloads=True,
        ),
    ] = ""
    api_keys: Annotated[
        tuple[str, ...],
        describe(
            "API keys that clients can use, each as id.secret, separated by commas",
            "KEYS",
            default="none: programs on this machine need no key",
            sources=("variable",),
        ),
    ] = ()
    api_keys_file: Annotated[
        str,
        describe(
            "file with further API keys, each as id.secret on a line of its own",
            "FILE",
            default="none",
            reloads=True,
        ),
    ] = ""
    master_key: Annotated[
        str,
        describe(
            "secret of at least 32 characters, from which the secrets of all keys of `headrace keys` are"
            " derived; the same for all servers that share a store. With it, clients need a key",
            "KEY",
            default="none: HEADRACE_API_KEYS has all keys",
            sources=("variable",),
        ),
    ] = ""
    keep_alive_interval: Annotated[
        float,
        msgspec.Meta(gt=0, le=1e9),
        describe(
            "how long a stream can be silent before a comment is sent; must be above 0",
            "SECONDS",
            reloads=True,
        ),
    ] = 8.0
    max_body_size: Annotated[
        Bytes | None,
        describe(
            "size limit of a request body; larger requests get status 400",
            "BYTES",
            at_limit="400: 1210",
            default="2 MiB and 64 bytes for each token of the largest context served, at least 32 MiB if a"
            " model accepts images; 32 MiB if a model's context is unknown",
            reloads=True,
        ),
    ] = None
    request_timeout: Annotated[
        float,
        unit("SECONDS", least=0.1, most=1e9),
        describe(
            "how long a client may take to send the head of a request, and each 64 KiB of its body, before it"
            " gets status 408; at least 0.1",
            at_limit="408: 1210",
            reloads=True,
        ),
    ] = 60.0
    connection_idle_timeout: Annotated[
        float,
        unit("SECONDS", least=0.1, most=1e9),
        describe(
            "how long a connection without a request stays open; at least 0.1",
            at_limit="the connection is closed (not logged)",
            reloads=True,
        ),
    ] = 75.0
    max_connections: Annotated[
        int,
        unit("NUMBER", least=1),
        describe(
            "limit of open connections, lower if the operating system allows fewer open files; at the limit,"
            " the connection that has waited longest for a request is closed",
            at_limit=_MAKE_ROOM,
        ),
    ] = 10_000
    max_connections_per_address: Annotated[
        int,
        unit("NUMBER", least=0),
        describe(
            "limit of open connections from one address, such as that of a proxy",
            default="0: half of --max-connections",
            at_limit="the same, for this address",
        ),
    ] = 0
    max_head_size: Annotated[
        int,
        unit("BYTES", least=1024),
        describe(
            "size limit of a request's head, and of what follows a chunked body; larger requests get status"
            " 431; at least 1024",
            at_limit="431: 1210",
            reloads=True,
        ),
    ] = 64 * 1024
    max_header_fields: Annotated[
        int,
        unit("NUMBER", least=1),
        describe(
            "number of header fields of a request; requests with more get status 431",
            at_limit="431: 1210",
            reloads=True,
        ),
    ] = 100
    max_waiting_bodies: Annotated[
        int,
        unit("NUMBER", least=0),
        describe(
            "number of request bodies of more than 4 KiB that can wait to be decoded; further ones get status"
            " 429 (1305)",
            at_limit="429: 1305",
        ),
    ] = 64
    allowed_hosts: Annotated[
        tuple[str, ...],
        describe(
            "host names beside localhost and loopback addresses that a server without API keys accepts in the"
            " headers Host and Origin, separated by commas",
            "NAMES",
            default="none",
            reloads=True,
        ),
    ] = ()
    cors_origin: Annotated[
        tuple[str, ...],
        describe(
            "origins of web pages that may call the server, such as https://app.example, separated by commas;"
            " * means all",
            "ORIGINS",
            default="none; without API keys, pages of localhost and loopback addresses",
            reloads=True,
        ),
    ] = ()
    claude_models: Annotated[
        tuple[str, ...],
        describe(
            "models for the names of Anthropic's models in requests to the Messages API, as NAME=MODEL,"
            " separated by commas; NAME can have the wildcard *, and the first one that matches is used."
            " An empty MODEL is the first model of the server. Names that are served are not replaced",
            "NAMES",
            default="claude-*=, so that all of them are the first model",
            reloads=True,
        ),
    ] = ("claude-*=",)
    drain_delay: Annotated[
        Seconds,
        describe(
            "how long a server that shuts down serves new requests while /readyz is 503, so that load"
            " balancers notice it in time",
            reloads=True,
        ),
    ] = 0.0
    shutdown_timeout: Annotated[
        Seconds,
        describe(
            "how long to wait for the answers that only this server can finish, after --drain-delay; 0 ends"
            " them at once",
            reloads=True,
        ),
    ] = 300.0
    turns: TurnSettings = TurnSettings()
    limits: LimitSettings = LimitSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    def __post_init__(self) -> None:
        ids = set()
        for number, key in enumerate(self.api_keys, 1):
            id, _, secret = key.partition(".")
            if not id or not secret:
                raise OptionError("api_keys", f"key {number} is not of the form id.secret")
            if id in ids:
                raise OptionError("api_keys", f"two keys have the id {id}; give each key an id of its own")
            ids.add(id)
        for origin in self.cors_origin:
            if reason := _unusable(origin):
                raise OptionError("cors_origin", f"{origin!r} {reason}")
        for name in self.claude_models:
            if not name.partition("=")[0] or "=" not in name:
                raise OptionError("claude_models", f"{name!r} is not of the form NAME=MODEL")
        if self.master_key:
            MasterKey(self.master_key)
            if self.turns.store == "memory":
                raise OptionError("master_key", NEEDS_STORE)
        if self.tls_key and not self.tls_cert:
            raise OptionError("tls_key", "--tls-cert is missing, the certificate of this key")
        if not self.needs_keys and not self.unix_socket and not is_loopback(self.host):
            raise OptionError(
                "host",
                f"{self.host} is not a loopback address, and without API keys the server accepts only local"
                " clients; set HEADRACE_API_KEYS=id.secret[,…] or HEADRACE_MASTER_KEY (docs/security.md), or"
                " listen on 127.0.0.1",
            )

    @property
    def scheme(self) -> str:
        """The scheme of the server's URLs."""
        return "https" if self.tls_cert else "http"

    @property
    def needs_keys(self) -> bool:
        """Whether clients need an API key."""
        return bool(self.api_keys or self.master_key)


def _unusable(origin: str) -> str:
    """Return why a browser never sends an origin like this, and what to do; "" if it does."""
    if origin == "*":
        return ""
    if origin == "null":
        return "stands for every sandboxed page; * allows all pages"
    found = _ORIGIN.fullmatch(origin)
    scheme, host, port = found.groups("") if found else ("", "", "")
    if not host or int(port or 0) > 65535:
        return "is not an origin; write scheme://host or scheme://host:port, such as https://app.example"
    if "*" in host:
        return "has a wildcard in its host; list each origin, or allow all with *"
    if host.startswith("["):
        with suppress(ValueError):
            host = f"[{ip_address(host[1:-1])}]"
    suffix = f":{int(port)}" if port and _DEFAULT_PORTS.get(scheme.lower()) != int(port) else ""
    written = f"{scheme}://{host}".lower() + suffix
    return "" if written == origin else f"is sent by browsers as {written}; write it like this"


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
