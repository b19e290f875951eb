"""What an operator decides about the server; about its models, see `headrace.models.settings`."""

from ipaddress import ip_address
from typing import Annotated

import msgspec

from headrace.errors import RequestError
from headrace.turns.settings import TurnSettings

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server: `[server]`.

    Args:
        host: address to listen on.
        port: 0 takes a free one.
        api_keys: who may call; () is open to all, which only a loopback address may be.
        keep_alive: seconds of silence on a stream before a comment is sent.
        max_body: bytes of a request.
        shutdown_timeout: seconds that open streams get to end.
        turns: `[turns]`.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8000
    api_keys: tuple[str, ...] = ()
    keep_alive: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 15.0
    max_body: Annotated[int, msgspec.Meta(ge=1)] = 32 * 1024 * 1024
    shutdown_timeout: Annotated[int, msgspec.Meta(ge=0)] = 30
    turns: TurnSettings = TurnSettings()

    def __post_init__(self) -> None:
        if not self.api_keys and not _is_loopback(self.host):
            msg = (
                f"host is {self.host}, which others can reach, and there are no API keys;"
                " set HEADRACE_API_KEYS=id.secret[,…] or listen on 127.0.0.1"
            )
            raise RequestError(msg)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
