"""The options of the server log and of traces: `[telemetry]`."""

from typing import Annotated, Literal

import msgspec

from headrace.options import describe

__all__ = ["TelemetrySettings"]


class TelemetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged and traced, and in which form."""

    log_format: Annotated[
        Literal["text", "json"],
        describe("format of the server log on the standard error: lines to read, or a JSON object per line"),
    ] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        describe(
            "least level of what is logged: info includes a line for each request, debug also those of health"
            " checks, /metrics and /admin.json"
        ),
    ] = "info"
    log_contents: Annotated[
        bool,
        describe(
            "whether the line of a request has its messages, its tools and the answer, and the reason of a"
            " rejection",
            "{true,false}",
        ),
    ] = False
    traces: Annotated[
        Literal["off", "otlp"],
        describe(
            "where to export a span for each turn; otlp means OTLP over HTTP, which the variables OTEL_… of"
            " OpenTelemetry configure, such as OTEL_EXPORTER_OTLP_ENDPOINT. Needs the extra otel"
        ),
    ] = "off"
    trace_contents: Annotated[
        bool,
        describe("whether a span has the messages, the tools and the answer", "{true,false}"),
    ] = False
