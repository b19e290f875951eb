"""Settings of engines."""

import msgspec

__all__ = ["Timeouts"]


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; 0 disables a timeout.

    Args:
        first_token: until the first token, waiting for a slot and reading the prompt included; starts
            again with each heartbeat of a server that has not produced output yet.
        idle: between two heartbeats or events.
        total: from start to end.
    """

    first_token: float = 300.0
    idle: float = 120.0
    total: float = 0.0
