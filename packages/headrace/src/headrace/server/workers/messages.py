"""What a supervisor and its workers tell each other, pickled, on a connection of `multiprocessing`.

    supervisor ── Start ──▶ worker          once, with the configuration of all workers
               ◀── Ready or Failed ──       when it can serve, or why it cannot
               ── Accept ──▶                whenever another worker has become ready, or serves no more
               ── Reload ──▶                after SIGHUP
               ◀── Leaving ──               after SIGTERM
               ── Drain ──▶                 thereupon

The end of the connection is the end of the other process.
"""

from typing import NamedTuple

from headrace.configuration import Configuration, Settings

__all__ = ["Accept", "Drain", "Failed", "Leaving", "Ready", "Reload", "Start"]


class Start(NamedTuple):
    """The first message to a worker."""

    configuration: Configuration
    url: str
    """Where the server listens."""
    has_private_store: bool
    """Whether its turns end with the workers."""


class Ready(NamedTuple):
    """The worker has loaded its models."""

    banner: str


class Failed(NamedTuple):
    """The worker cannot serve, and ends."""

    reason: str


class Leaving(NamedTuple):
    """The worker has to shut down, so that its siblings have to accept new connections."""


class Drain(NamedTuple):
    """The worker has to begin its shutdown."""

    is_alone: bool
    """Whether its siblings serve on, and can continue its turns."""


class Accept(NamedTuple):
    """The worker has to accept the connections of these listening sockets, and of no others."""

    listeners: frozenset[int]


class Reload(NamedTuple):
    """The worker has to use these settings from now on."""

    settings: Settings
