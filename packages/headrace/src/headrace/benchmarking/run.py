"""A run as data: its settings, its samples, its state while it lasts."""

import platform
from typing import NamedTuple

import msgspec

from headrace import __version__
from headrace.benchmarking.prompts import BUILT_IN
from headrace.benchmarking.sample import Sample

__all__ = ["Progress", "Run", "Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What two runs must have in common to be comparable."""

    model: str
    api: str = "chat"
    """A key of `APIS`."""
    concurrency: int = 0
    """Closed loop: requests at once; each slot waits for its answer."""
    rate: float = 0.0
    """Open loop: requests per second on average, at random times that do not depend on answers."""
    duration: float = 30.0
    """Seconds; requests that are planned within them are measured."""
    warmup: float = 5.0
    """Seconds of load before the measurement."""
    drain: float = 60.0
    """Seconds after the measurement in which measured requests may end."""
    max_tokens: int = 128
    prompts: str = BUILT_IN.name
    cache: str = "cold"
    """`cold`: each prompt begins with a nonce; `warm`: prompts repeat."""
    seed: int = 0
    """That of the times of an open loop, and of the waits before retries."""
    retries: int = 0
    """How often a request is sent again that was refused or not connected."""
    cancel: float = 0.0
    """The share of requests that the client cancels."""
    request: str = ""
    """The body of the first request, with `<nonce>` in place of its nonce."""
    protocol: str = "HTTP/1.1, a connection for each request"
    client: str = f"headrace {__version__}, Python {platform.python_version()}"
    machine: str = f"{platform.system()} {platform.machine()}"

    @property
    def loop(self) -> str:
        """The shape of the load, in words."""
        return f"{'open' if self.rate else 'closed'} loop, {self.load}"

    @property
    def load(self) -> str:
        """The amount of the load, in words."""
        return f"{self.rate:g} per second" if self.rate else f"{self.concurrency} at once"


class Run(msgspec.Struct, kw_only=True):
    """A finished run; all figures are computed from it."""

    url: str
    date: str
    nonce: str
    settings: Settings
    samples: list[Sample]
    lags: list[float]
    """How late a timer of the client was, every 5 ms while requests were measured, in seconds."""
    backlog: int
    """The most requests that were running at once."""
    cpu: float = 0.0
    """The share of a core that the client used while requests were measured."""


class Progress(NamedTuple):
    """The state of a run."""

    load: str
    """The shape of the load, in words."""
    done: float
    """The share of warm-up and measurement, of all runs, that is over."""
    running: int
    """Requests."""
    ended: int
    failed: int
    first_delta: float | None
    """Of the most recent successful requests: the mean, in seconds."""
