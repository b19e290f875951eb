"""A span for each turn that this process produces, by OpenTelemetry's conventions for generative AI.

    a client's span ◀─parent─ chat glm-4.6 ──traceparent──▶ the model's server
              ▲                    ▲
              └──parent── chat glm-4.6, of the process that took the turn over, with a link to the first one

A span starts when this process becomes the producer of a turn, and ends with the turn, or when the process
stops producing it. It is never the current one, so nothing has to be detached when a stream is left. Its id
is derived from the turn and the fence: a process that takes a turn over knows the id of the span before.
"""

import asyncio
import contextlib
import hashlib
import json
import threading
from typing import Any, Final

import msgspec
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from headrace import __version__
from headrace.errors import HeadraceError
from headrace.telemetry.contents import answer_of, messages_of, tools_of
from headrace.trace_context import TraceContext
from headrace.turns import OutcomeKind, ProducedTurn, TurnOutcome
from headrace.turns.observers import HANDED_OVER
from headrace.wire import ChatRequest

__all__ = ["Tracing"]

_OPERATION: Final = "chat"
_PROVIDER: Final = "headrace"
_SAMPLING: Final[dict[str, type]] = {
    "max_tokens": int,
    "seed": int,
    "temperature": float,
    "top_p": float,
    "top_k": float,
    "frequency_penalty": float,
    "presence_penalty": float,
}
"""The fields of a request that are attributes `gen_ai.request.…`, and their types."""

_EXPORT_TIMEOUT: Final = 3.0  # seconds, for the last spans of a server that shuts down
_PROPAGATOR: Final = TraceContextTextMapPropagator()

Attributes = dict[str, Any]


class _Ids(IdGenerator):
    """Derives ids from a turn and a fence."""

    def __init__(self) -> None:
        self.turn = ""
        self.fence = 0

    def generate_trace_id(self) -> int:
        return _digest(self.turn, 16)

    def generate_span_id(self) -> int:
        return self.span_id(self.fence)

    def span_id(self, fence: int) -> int:
        return _digest(f"{self.turn}:{fence}", 8)

    def is_trace_id_random(self) -> bool:
        return True


class Tracing:
    """Starts and ends the spans; an observer of what this process produces.

    Args:
        contents: whether spans have messages, tools and answers.
        exporter: of the spans; by default, OTLP over HTTP, as the variables `OTEL_…` configure it.
    """

    def __init__(self, *, contents: bool, exporter: SpanExporter | None = None) -> None:
        self._contents = contents
        self._ids = _Ids()
        self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("headrace", __version__)
        self._spans: dict[str, tuple[Span, ProducedTurn | None]] = {}

    async def close(self) -> None:
        """End the spans that are open, and export what was not exported, for at most three seconds."""
        for span, _ in self._spans.values():
            _end(span, {"headrace.outcome": OutcomeKind.SHUTDOWN.value})
        self._spans.clear()
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop is closed: the export took longer
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=shut_down, name="last export", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EXPORT_TIMEOUT):
                await done.wait()

    # --- as an observer ---------------------------------------------------------------------------------

    def started(self, turn: ProducedTurn, fence: int, previous: int) -> None:
        parent = Context()
        if turn.header.trace is not None:
            carrier = {"traceparent": turn.header.trace.parent, "tracestate": turn.header.trace.state}
            parent = _PROPAGATOR.extract(carrier, parent)
        model = _model_of(turn)
        self._ids.turn, self._ids.fence = turn.id, fence
        span = self._tracer.start_span(
            f"{_OPERATION} {model}",
            parent,
            SpanKind.SERVER,
            {**_attributes(turn.request, model), **_known({"headrace.key": turn.header.owner})},
            links=[self._link(parent, previous)] if previous else (),
        )
        carrier = {}
        _PROPAGATOR.inject(carrier, set_span_in_context(span, Context()))
        if carrier:  # none with OTEL_SDK_DISABLED
            mesh = turn.header.trace.mesh if turn.header.trace else ()
            turn.trace = TraceContext(carrier["traceparent"], carrier.get("tracestate", ""), mesh)
        self._spans[turn.id] = (span, turn if self._contents else None)

    def left(self, turn: ProducedTurn) -> None:
        if found := self._spans.pop(turn.id, None):
            _end(found[0], {"headrace.outcome": HANDED_OVER})

    def finished(self, outcome: TurnOutcome) -> None:
        span, turn = self._spans.pop(outcome.id, (INVALID_SPAN, None))  # none after `close`
        if turn is not None:
            span.set_attributes(_contents(turn))
        kind = outcome.kind
        if not (kind.is_success or kind.is_cancellation):
            span.set_status(
                Status(StatusCode.ERROR, outcome.error if kind is not OutcomeKind.REJECTED else None)
            )
        _end(span, _outcome_attributes(outcome))

    def _link(self, parent: Context, fence: int) -> Link:
        """Return the link to the span of the producer before."""
        trace = get_current_span(parent).get_span_context()
        trace_id = trace.trace_id if trace.is_valid else self._ids.generate_trace_id()
        return Link(SpanContext(trace_id, self._ids.span_id(fence), is_remote=True))


def _attributes(request: ChatRequest, model: str) -> Attributes:
    values = {**msgspec.structs.asdict(request), **request.extra}
    sampling = {
        f"gen_ai.request.{name}": kind(values[name])
        for name, kind in _SAMPLING.items()
        if values.get(name) is not None
    }
    return _known(
        {
            "gen_ai.operation.name": _OPERATION,
            "gen_ai.provider.name": _PROVIDER,
            "gen_ai.request.model": model,
            "gen_ai.request.stream": request.stream or None,
            "gen_ai.output.type": None if request.response_format.type == "text" else "json",
            **sampling,
        }
    )


def _outcome_attributes(outcome: TurnOutcome) -> Attributes:
    usage, kind = outcome.usage, outcome.kind
    return _known(
        {
            "gen_ai.response.id": outcome.id,
            "gen_ai.response.model": outcome.model,
            "gen_ai.response.finish_reasons": [outcome.finish_reason],
            "gen_ai.response.time_to_first_chunk": outcome.first_token_seconds,
            "gen_ai.usage.input_tokens": usage.prompt,
            "gen_ai.usage.output_tokens": usage.completion,
            "gen_ai.usage.cache_read.input_tokens": usage.cached or None,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning or None,
            "error.type": None if kind.is_success else kind.value,
            "headrace.outcome": kind.value,
            "headrace.queue_seconds": outcome.queue_seconds or None,
            "headrace.longest_stall_seconds": outcome.intervals.longest or None,
        }
    )


def _contents(turn: ProducedTurn) -> Attributes:
    contents = {
        "gen_ai.input.messages": messages_of(turn.request),
        "gen_ai.tool.definitions": tools_of(turn.request),
        "gen_ai.output.messages": answer_of(turn),
    }
    return {name: json.dumps(content) for name, content in contents.items() if content}


def _model_of(turn: ProducedTurn) -> str:
    try:
        return turn.plan.model
    except HeadraceError:  # a turn taken over only to be ended may be impossible to plan here
        return turn.request.model


def _end(span: Span, attributes: Attributes) -> None:
    span.set_attributes(attributes)
    span.end()


def _known(attributes: Attributes) -> Attributes:
    return {name: value for name, value in attributes.items() if value not in (None, "")}


def _resource() -> Resource:
    """Return what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES describe, with a name and a version."""
    own = Resource.create({"service.name": "headrace", "service.version": __version__})
    return own.merge(OTELResourceDetector().detect())


def _digest(text: str, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest(), "big")
