"""Runs as rows of tables, as text for terminals, or as JSON, from which they can be read again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from headrace.benchmarking.compare import Difference
from headrace.benchmarking.run import Run
from headrace.benchmarking.summary import Percentiles, Summary
from headrace.errors import RequestError
from headrace.foreign_errors import reading
from headrace.visible import make_visible

__all__ = [
    "DEFINITIONS",
    "TOO_FEW",
    "VIA",
    "Measured",
    "Report",
    "added_by",
    "decode_runs",
    "difference_table",
    "encode_json",
    "encode_table",
    "encode_text",
    "facts",
    "failures",
    "number",
    "overview",
    "rows",
]

_MAX_REQUEST: Final = 500  # characters that are shown
_MAX_KINDS: Final = 10  # of failures

TOO_FEW: Final = "too few requests are successful"

VIA: Final = ("direct", "via")
"""Columns of the differences that a gateway makes."""

DEFINITIONS: Final = {
    "time": "Seconds from the planned start of a request until the socket became readable, before decoding.",
    "planned start": "Open loop: the moment of the schedule, whatever the client or the endpoint is doing. "
    "Closed loop: when the slot became free; an endpoint that stands still then gets fewer requests, so that "
    "its stalls weigh less.",
    "first byte": "The first byte of the body: also a comment, a role or an empty chunk.",
    "first delta": "The first chunk with thinking, text or a part of a tool call.",
    "text, mean of a stream": "The mean of the times at which the characters of a stream arrived, those of "
    "thinking and arguments too. What a gateway adds to it is the delay that it adds to a delta, even if it "
    "joins deltas.",
    "delivery": "The deltas that arrive together. The number of its tokens is unknown.",
    "gap": "The time between two deliveries of a stream; a stall is the longest of a stream. "
    "Plots mark each gap that is more than ten times the median one and at least 50 ms.",
    "tokens": "As counted by the usage of the endpoint; n/a if an answer has none.",
    "tokens/s of a stream": "Output tokens divided by the time from the planned start to the last delivery.",
    "tokens/s in total": "Output tokens of all successful requests divided by the measured duration.",
    "success": "Status 200, output, a finish reason that is no failure, the end mark, and no error. All "
    "times and tokens are those of successful requests.",
    "refusal": "An attempt with status 429 or 503. With --retries, times count from the planned start of the "
    "first attempt.",
    "cancel latency": "From half-closing the connection after the third part of the body until the endpoint "
    "closed it. An endpoint that notices only failed writes sends its answer to the end.",
    "percentile": "The smallest observed value that is not exceeded by at least this share of the values.",
    "measured": "Requests that were planned within the duration after the warm-up. The load is the same "
    "before and after them.",
    "client lag": "Sending: from the planned start until the client began to send. Reading: how late a "
    "timer of the client was, every 5 ms. Both are of the client alone, as is its CPU time.",
}
"""What the figures mean."""


class Measured(msgspec.Struct):
    """A run and its figures."""

    run: Run
    summary: Summary


class Report(msgspec.Struct):
    """The runs of a series."""

    runs: list[Measured]
    added: dict[str, list[Difference]] = {}
    """What the second endpoint adds to the first one, by load; empty with one endpoint."""
    failure: str = ""
    """Why later runs are missing."""


def facts(run: Run, summary: Summary) -> dict[str, str]:
    """Return what the run was and its figures that are no percentiles."""
    settings = run.settings
    outcomes = ", ".join(f"{times} {outcome}" for outcome, times in summary.outcomes.items() if times)
    values = {
        "URL": run.url,
        "Model": settings.model,
        "Date": run.date,
        "Load": f"{settings.loop}, {settings.duration:g} s after {settings.warmup:g} s of warm-up; "
        f"at most {run.backlog} at once",
        "Prompts": f"{settings.prompts}, {settings.cache} cache",
        "Client": f"{settings.client}, {settings.machine}; {settings.protocol}; {run.cpu:.0%} of a core",
        "Request": settings.request[:_MAX_REQUEST] + "…" * (len(settings.request) > _MAX_REQUEST),
        "Requests": f"{summary.requests}: {outcomes or 'none'}",
        "Refusals": ", ".join(f"{times} x {what}" for what, times in summary.refusals.items()) or "none",
        "Retries": str(summary.retries),
        "Highest rate without refusals": number(summary.highest_rate_without_refusals, "/s"),
        "Successes": number(summary.successes_per_second, "/s"),
        "Goodput": f"{summary.goodput:.2f}/s, {summary.good_share:.1%} of the requests",
        "Tokens/s in total": number(summary.output_tokens_per_second),
        "Cached prompt tokens": "n/a" if summary.cached_share is None else f"{summary.cached_share:.1%}",
    }
    return {name: make_visible(value) for name, value in values.items()}


def rows(run: Run, summary: Summary) -> Iterator[tuple[str, Percentiles, str]]:
    """Yield the rows of percentiles: name, values, unit."""
    for first, values in summary.firsts.items():
        yield f"first {first}", values, "s"
    yield "gap between deliveries", summary.gaps, "s"
    yield "longest stall of a stream", summary.longest_stalls, "s"
    yield "text, mean of a stream", summary.mean_texts, "s"
    yield "total", summary.total, "s"
    if summary.cancel_latency.count:
        yield "cancel latency", summary.cancel_latency, "s"
    yield "tokens/s of a stream", summary.stream_tokens_per_second, ""
    yield "prompt tokens", summary.prompt_tokens, ""
    yield f"output tokens (requested: {run.settings.max_tokens})", summary.output_tokens, ""
    yield "client lag, sending", summary.send_lag, "s"
    yield "client lag, reading", summary.loop_lag, "s"


def failures(summary: Summary) -> list[str]:
    """Return a line for each of the most frequent kinds of failure, with the beginning of its first body."""
    kinds = sorted(summary.failures.items(), key=lambda kind: -kind[1].count)
    rest = kinds[_MAX_KINDS:]
    lines = [
        f"failed: {failure.count} x {what}" + (f": {failure.body}" if failure.body else "")
        for what, failure in kinds[:_MAX_KINDS]
    ]
    more = f"failed: {sum(failure.count for _, failure in rest)} x {len(rest)} other kinds; --json has them"
    return lines + [more] * bool(rest)


def overview(report: Report) -> list[tuple[str, ...]]:
    """Return a table with a row for each run, the names first; empty for a single run."""
    if len(report.runs) == 1:
        return []
    names = ("load", "URL", "requests", "good", "refused", "first delta p50", "p99", "gap p99")
    table: list[tuple[str, ...]] = [(*names, "tokens/s of a stream p50", "tokens/s in total")]
    for run, summary in ((measured.run, measured.summary) for measured in report.runs):
        delta = summary.firsts["delta"]
        shares = (f"{summary.good_share:.1%}", f"{summary.refused_share:.1%}")
        times = (number(value, "s") for value in (delta.p50, delta.p99, summary.gaps.p99))
        speeds = (number(summary.stream_tokens_per_second.p50), number(summary.output_tokens_per_second))
        row = (run.settings.loop, make_visible(run.url), str(summary.requests))
        table.append((*row, *shares, *times, *speeds))
    return table


def added_by(report: Report, load: str) -> str:
    """Return what the differences of `added` are."""
    return f"Seconds, and tokens/s, that {make_visible(report.runs[1].run.url)} adds: {load}"


def encode_text(report: Report) -> str:
    """Return the facts, percentiles, failures and warnings of each run; then what compares them."""
    parts = [_run_text(measured.run, measured.summary) for measured in report.runs]
    parts += filter(None, [encode_table(overview(report))])
    for load, differences in report.added.items():
        table = encode_table(difference_table(differences, VIA)) or f"n/a: {TOO_FEW}\n"
        parts.append(f"{added_by(report, load)}\n{table}")
    if report.failure:
        parts.append(f"not measured: {make_visible(report.failure)}\n")
    return "\n".join(parts)


def _run_text(run: Run, summary: Summary) -> str:
    lines = [f"{name}: {value}" for name, value in facts(run, summary).items()]
    table = [("", "count", "p50", "p90", "p99")] + [
        (name, str(values.count), *(number(value, unit) for value in (values.p50, values.p90, values.p99)))
        for name, values, unit in rows(run, summary)
    ]
    width = max(len(row[0]) for row in table)
    lines += [f"{name:{width}}" + "".join(f"{cell:>12}" for cell in cells) for name, *cells in table]
    lines += [make_visible(text) for text in failures(summary)]
    lines += [f"warning: {text}" for text in summary.warnings]
    lines += [f"not valid: {summary.invalid}"] * bool(summary.invalid)
    return "\n".join([*lines, ""])


def encode_json(report: Report) -> str:
    """Return the report and the definitions as a JSON object."""
    value = msgspec.structs.asdict(report) | {"definitions": DEFINITIONS}
    text = msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
    return make_visible(text, lines=True) + "\n"


def decode_runs(path: Path) -> list[Run]:
    """Read the runs of a JSON file.

    Raises:
        RequestError: the file cannot be read, or is no such report.
    """
    with reading("compare", path, RequestError):
        encoded = path.read_bytes()
    try:
        runs = [measured.run for measured in msgspec.json.decode(encoded, type=Report).runs]
    except msgspec.DecodeError as error:
        raise RequestError(f"compare: {path} is not a report of `headrace bench --json`: {error}") from None
    for sample in (sample for run in runs for sample in run.samples if sample.outcome == "success"):
        if "delta" not in sample.firsts or not sample.deliveries or sample.deliveries[-1] <= 0:
            raise RequestError(f"compare: {path} has a successful request without a first or a last delivery")
    return runs


def difference_table(
    differences: list[Difference], columns: tuple[str, str] = ("before", "after")
) -> list[tuple[str, ...]]:
    """Return a table with a row for each difference, the names first; empty without differences."""
    table = [
        (
            each.name,
            f"{each.before:.4f}",
            f"{each.after:.4f}",
            f"{each.after - each.before:+.4f}",
            f"{each.low:+.4f} to {each.high:+.4f}",
            "" if each.is_clear else "may be chance",
        )
        for each in differences
    ]
    return [("median of", *columns, "difference", "95 % interval", ""), *table] if table else []


def encode_table(table: list[tuple[str, ...]]) -> str:
    """Return a table as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def number(value: float | None, unit: str = "") -> str:
    """Return a figure with its unit; "n/a" for None."""
    if value is None:
        return "n/a"
    return (
        f"{value * 1000:.1f} ms" if unit == "s" and value < 1 else f"{value:.2f}{' ' * (unit == 's')}{unit}"
    )
