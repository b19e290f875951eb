"""What an operator decides about the server; about its models, see `headrace.models.settings`."""

from ipaddress import ip_address
from typing import Annotated

import msgspec

from headrace.options import Bytes, OptionError, describe, unit
from headrace.turns.settings import TurnSettings

__all__ = ["Settings", "is_loopback"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server: `[server]`."""

    host: Annotated[
        str,
        describe("address to listen on; all but loopback addresses need HEADRACE_API_KEYS", "ADDRESS"),
    ] = "127.0.0.1"
    port: Annotated[
        int, unit("PORT", least=0, most=65535), describe("TCP port to listen on; 0 picks a free one")
    ] = 8000
    api_keys: Annotated[
        tuple[str, ...],
        describe(
            "keys that clients can use, each as id.secret, separated by commas",
            "KEYS",
            default="none: programs on this machine need no key",
            sources=("variable",),
        ),
    ] = ()
    keep_alive: Annotated[
        float,
        msgspec.Meta(gt=0, le=1e9),
        describe("silence on a stream after which a comment is sent to keep it open; more than 0", "SECONDS"),
    ] = 15.0
    max_body: Annotated[Bytes, describe("size limit of a request body; larger requests get status 400")] = (
        32 * 1024 * 1024
    )
    shutdown_timeout: Annotated[
        int,
        unit("SECONDS", least=0),
        describe("how long open streams may run on at shutdown; 0 cuts them at once"),
    ] = 30
    turns: TurnSettings = TurnSettings()

    def __post_init__(self) -> None:
        if not self.api_keys and not is_loopback(self.host):
            raise OptionError(
                "host",
                f"{self.host} is not a loopback address, and without API keys only this machine may call; set"
                " HEADRACE_API_KEYS=id.secret[,…] or listen on 127.0.0.1",
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
