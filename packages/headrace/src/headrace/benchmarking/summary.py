"""The figures of a run, computed from its samples.

Times of streams are those of successful requests alone. A percentile is a value that was observed (nearest
rank). Deliveries and tokens are never mixed: gaps are between deliveries, tokens are counted by the
endpoint's usage, and are not available (None) unless every successful request has one.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from headrace.benchmarking.run import Run
from headrace.benchmarking.sample import FIRSTS, OUTCOMES, REFUSALS, Sample

__all__ = ["Failure", "Percentiles", "Slo", "Summary", "percentile", "percentiles", "summarize"]

_TOLERANCE: Final = 0.05  # between the tokens that were requested and those that were generated
_MAX_CACHED: Final = 0.01
_SECONDS: Final = re.compile("[0-9]{1,5}")


class Percentiles(msgspec.Struct, frozen=True):
    """Percentiles of `count` values; None if there are none."""

    count: int
    p50: float | None
    p90: float | None
    p99: float | None


class Slo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of a good request, in seconds, and the share of requests that has to be good."""

    ttft: float = math.inf
    """Of the first delta."""
    gap_p99: float = math.inf
    stall: float = math.inf
    """Of the longest gap."""
    total: float = math.inf
    share: float = 1.0

    def is_met(self, sample: Sample) -> bool:
        """Whether a request was successful and within the bounds."""
        if sample.outcome != "success":
            return False
        gaps = sample.gaps or [0.0]
        return (
            sample.firsts["delta"] <= self.ttft
            and (percentile(gaps, 0.99) or 0.0) <= self.gap_p99
            and max(gaps) <= self.stall
            and sample.end <= self.total
        )


class Failure(msgspec.Struct, frozen=True):
    """How often a failure occurred, and the beginning of its first body."""

    count: int
    body: str


class Summary(msgspec.Struct, kw_only=True):
    """The figures of a run; times in seconds."""

    requests: int
    outcomes: dict[str, int]
    failures: dict[str, Failure]
    """By outcome and detail."""
    refusals: dict[str, int]
    """Refused attempts by status, and by Retry-After if there was one."""
    refused_share: float
    """Requests of which an attempt was refused."""
    retries: int
    """Attempts after the first one."""
    highest_rate_without_refusals: float | None
    """Requests that were started in the best second in which none was refused."""
    successes_per_second: float
    good_share: float
    """The share that is successful and within the SLO, of all requests that the client did not cancel."""
    goodput: float
    """Good requests per second."""
    firsts: dict[str, Percentiles]
    total: Percentiles
    gaps: Percentiles
    longest_stalls: Percentiles
    mean_texts: Percentiles
    """The mean times of arrival of each stream's characters."""
    cancel_latency: Percentiles
    """From half-closing the connection until the endpoint closed it."""
    output_tokens_per_second: float | None
    """Of all successful requests, over the duration of the measurement."""
    stream_tokens_per_second: Percentiles
    """Of each stream, from the planned start to its last delivery."""
    prompt_tokens: Percentiles
    output_tokens: Percentiles
    cached_share: float | None
    """Cached prompt tokens among all prompt tokens."""
    send_lag: Percentiles
    """From the planned start until the client began to send."""
    loop_lag: Percentiles
    """How late the client read."""
    warnings: list[str]
    invalid: str
    """Why the figures are those of the client instead of the endpoint; "" if they are not."""


def summarize(run: Run, slo: Slo | None = None, max_lag: float = 0.02) -> Summary:
    """Compute the figures of a run.

    Args:
        run: what was recorded.
        slo: what makes a request good.
        max_lag: seconds; the run is not valid if the client's lag exceeds them at the 99th percentile.
    """
    slo = slo or Slo()
    settings, samples = run.settings, run.samples
    good = [sample for sample in samples if sample.outcome == "success"]
    judged = [sample for sample in samples if sample.cancel_latency is None]
    met = sum(map(slo.is_met, judged))
    outputs, prompts = _known(good, "output_tokens"), _known(good, "prompt_tokens")
    cached = _known(good, "cached_tokens")
    cached_share = sum(cached) / sum(prompts) if cached and prompts and sum(prompts) else None
    counts = Counter(sample.outcome for sample in samples)
    send_lag, loop_lag = percentiles(sample.started for sample in samples), percentiles(run.lags)
    return Summary(
        requests=len(samples),
        outcomes={outcome: counts[outcome] for outcome in OUTCOMES},
        failures=_count_failures(judged),
        refusals=dict(Counter(refusal for sample in samples for refusal in _refusals(sample))),
        refused_share=sum(sample.is_refused for sample in samples) / len(samples) if samples else 0.0,
        retries=sum(len(sample.retried) for sample in samples),
        highest_rate_without_refusals=_highest_rate(samples, settings.duration),
        successes_per_second=len(good) / settings.duration,
        good_share=met / len(judged) if judged else 0.0,
        goodput=met / settings.duration,
        firsts={
            first: percentiles(sample.firsts[first] for sample in good if first in sample.firsts)
            for first in FIRSTS
        },
        total=percentiles(sample.end for sample in good),
        gaps=percentiles(gap for sample in good for gap in sample.gaps),
        longest_stalls=percentiles(max(sample.gaps, default=0.0) for sample in good),
        mean_texts=percentiles(sample.mean_text for sample in good if sample.mean_text is not None),
        cancel_latency=percentiles(s.cancel_latency for s in samples if s.cancel_latency is not None),
        output_tokens_per_second=sum(outputs) / settings.duration if outputs else None,
        stream_tokens_per_second=percentiles(
            tokens / sample.deliveries[-1] for tokens, sample in zip(outputs or [], good, strict=False)
        ),
        prompt_tokens=percentiles(prompts or []),
        output_tokens=percentiles(outputs or []),
        cached_share=cached_share,
        send_lag=send_lag,
        loop_lag=loop_lag,
        warnings=_warnings(run, good, outputs, cached_share),
        invalid=_find_client_fault(counts["client"], send_lag, loop_lag, max_lag),
    )


def percentiles(values: Iterable[float]) -> Percentiles:
    """Return the percentiles of values in any order."""
    ordered = sorted(values)
    return Percentiles(len(ordered), *(percentile(ordered, q) for q in (0.5, 0.9, 0.99)))


def percentile(values: Sequence[float], q: float) -> float | None:
    """Return the smallest value that at least the share `q` of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(q * len(values)) - 1)] if values else None


def _known(samples: list[Sample], field: str) -> list[int] | None:
    """Return a count of each sample, or None if one has none."""
    counts: list[Any] = [getattr(sample, field) for sample in samples]
    return None if None in counts or not counts else counts


def _count_failures(samples: list[Sample]) -> dict[str, Failure]:
    bodies: dict[str, list[str]] = {}
    for sample in samples:
        if sample.outcome != "success":
            bodies.setdefault(f"{sample.outcome}: {sample.detail}", []).append(sample.body)
    return {what: Failure(len(found), found[0]) for what, found in bodies.items()}


def _refusals(sample: Sample) -> Iterator[str]:
    """Yield a description of each refused attempt."""
    yield from (f"{status}, sent again" for status in sample.retried if status in REFUSALS)
    if sample.status in REFUSALS:
        after = sample.retry_after
        kind = f", Retry-After {after if _SECONDS.fullmatch(after) else 'not in seconds'}" if after else ""
        yield f"{sample.status}{kind}"


def _highest_rate(samples: list[Sample], duration: float) -> float | None:
    starts = Counter(int(sample.planned) for sample in samples)
    refused = {int(sample.planned) for sample in samples if sample.is_refused}
    rates = [number for second, number in starts.items() if second not in refused]
    return float(max(rates)) if rates and duration >= 1 else None


def _find_client_fault(failed: int, send_lag: Percentiles, loop_lag: Percentiles, max_lag: float) -> str:
    if failed:
        return f"client: {failed} requests failed by a limit of this machine"
    for what, lag in (("sent", send_lag), ("read", loop_lag)):
        if lag.p99 is not None and lag.p99 > max_lag:
            limit = f"--max-lag is {max_lag * 1000:g} ms; use a machine with less other load"
            return f"client: it {what} {lag.p99 * 1000:.1f} ms late (p99), and {limit}"
    return ""


def _warnings(
    run: Run, good: list[Sample], outputs: list[int] | None, cached_share: float | None
) -> list[str]:
    warnings = []
    if not run.samples:
        why = "in a closed loop, answers take longer than it"
        warnings.append(f"no request was planned within the duration ({why}); increase --duration")
    asked = run.settings.max_tokens
    if outputs and abs((mean := sum(outputs) / len(outputs)) - asked) > _TOLERANCE * asked:
        warnings.append(f"answers have {mean:.1f} tokens on average, but {asked} were requested")
    if run.settings.cache == "cold" and cached_share and cached_share > _MAX_CACHED:
        what = f"{cached_share:.1%} of the prompt tokens were cached, although each prompt is new"
        warnings.append(f"{what}: perhaps the beginning of the chat template")
    hidden = [s for s in good if s.reasoning_tokens and "thinking" not in s.firsts]
    if hidden:
        tokens = sum(s.reasoning_tokens or 0 for s in hidden) / len(hidden)
        what = f"the first delta of {len(hidden)} requests came after hidden thinking"
        warnings.append(f"{what}, {tokens:.0f} tokens on average")
    if good and outputs is None:
        warnings.append("not every answer has a usage: tokens are not available")
    return warnings
