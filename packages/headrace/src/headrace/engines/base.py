"""The interface of engines: an engine turns a generation into events, and pushes them to a listener.

    run = engine.start(generation, listener)
                                     listener.on_events(events)      any number of times
                                     listener.on_end(error | None)   exactly once
    run.stop()                       no more events; on_end(None) once the engine has stopped
    run.pause(), run.resume()        backpressure: no more events than a buffer holds

An engine emits `Progress` while it waits or reads the prompt (or nothing), then `Text` or parsed events, and
finally exactly one `Finish`. An empty list is a heartbeat: output arrived that completes no event yet.
`on_end(None)` follows the `Finish`; `on_end(error)` reports a failure: before the first event it becomes the
response's status, after it the stream's ending. Every wrapper (timeouts, load balancer, limits) is a listener
below and an engine above. Everything happens in one event loop: no call waits, and a listener is never called
from within `start` or `stop`.
"""

from typing import Protocol

import msgspec

from headrace.errors import HeadraceError
from headrace.events import Event, Text
from headrace.trace_context import TraceContext
from headrace.wire.request import ChatRequest

__all__ = ["Engine", "Generation", "Listener", "Run"]


class Generation(msgspec.Struct, frozen=True):
    """The input of a generation.

    Args:
        prompt: the rendered prompt, for engines that take text; see `headrace.prompts.escaping`.
        request: sampling, limits and stop strings; for engines that parse themselves, everything.
        prefix: the beginning of the answer, to be continued.
        needs_token_ids: report token ids where possible, because the answer may have to be continued:
            text alone may be tokenised differently within a word.
        owner: id of the caller's API key; a queue serves owners in turn.
        prompt_ids: the token ids of the prompt of an answer to be continued; () if unknown.
        turn: the id of the turn whose answer is generated.
        trace: the span that it belongs to, for another server; None if there is none.
    """

    prompt: str
    request: ChatRequest
    prefix: tuple[Text, ...] = ()
    needs_token_ids: bool = False
    owner: str = ""
    prompt_ids: tuple[int, ...] = ()
    turn: str = ""
    trace: TraceContext | None = None


class Listener(Protocol):
    """Receives the events and the end of a run."""

    def on_events(self, events: list[Event]) -> None:
        """Receive the events that became ready together; [] is a heartbeat."""
        ...

    def on_end(self, error: HeadraceError | None) -> None:
        """Receive the end: finished, stopped, or failed with `error`. All resources are released."""
        ...


class Run(Protocol):
    """A running generation."""

    def stop(self) -> None:
        """Stop as soon as possible. No events follow, only `on_end`. Harmless after the end."""
        ...

    def pause(self) -> None:
        """Stop producing soon, until `resume`."""
        ...

    def resume(self) -> None:
        """Produce again."""
        ...


class Engine(Protocol):
    """A model that generates, in this process or elsewhere."""

    @property
    def continues(self) -> bool:
        """Whether it can continue an answer, given the prompt and the text so far."""
        ...

    def token_limit(self, generation: Generation) -> int | None:
        """Return the limit of an answer's tokens, the client's or a default; None for all that fits."""
        ...

    async def count_tokens(self, generation: Generation) -> int:
        """Return the number of tokens of the prompt.

        Raises:
            RequestError: 1212, status 404, the model's server does not count tokens.
            EngineError: it cannot be reached, or fails.
        """
        ...

    def start(self, generation: Generation, listener: Listener) -> Run:
        """Start a run.

        Raises:
            HeadraceError: the generation cannot be run here.
        """
        ...

    async def check(self) -> None:
        """Check whether it could generate now, as far as that can be determined at little cost.

        Raises:
            HeadraceError: it could not.
        """
        ...

    async def close(self) -> None:
        """Stop every run and release all resources."""
        ...
