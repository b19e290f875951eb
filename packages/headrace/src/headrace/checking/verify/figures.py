"""Outcomes → counts and F1."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from headrace.checking.verify.outcome import Outcome
from headrace.checking.verify.run import VerifyRun
from headrace.checking.verify.samples import Sample, digest_of
from headrace.errors import RequestError

__all__ = ["Agreement", "Figures", "agreement_of", "expected_of", "figures_of", "reference_of"]

Called = tuple[str, ...]


class Figures(msgspec.Struct, kw_only=True):
    """What one run shows by itself."""

    answered: int
    failed: int
    failures: dict[str, int]
    """By reason."""
    finish_reasons: dict[str, int]
    calls: int
    obeying: int
    """Calls of a tool that exists, whose arguments obey its schema."""
    violations: dict[str, int]
    """By the tool's name."""
    thinking_only: int
    tokens: int


class Agreement(NamedTuple):
    """How the calls of a run agree with what was expected, or with another run.

    An answer is positive if it has a call; precision, recall and F1 are those of being positive.
    """

    both: int
    """Positive in both."""
    only_here: int
    only_there: int
    neither: int
    same_tools: int
    """Of `both`, those that call the same tools."""

    @property
    def precision(self) -> float | None:
        """The share of the positive answers that should be; None without one."""
        return _share(self.both, self.both + self.only_here)

    @property
    def recall(self) -> float | None:
        """The share of those that should be positive and are; None without one."""
        return _share(self.both, self.both + self.only_there)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of both; None if neither has a call."""
        return _share(2 * self.both, 2 * self.both + self.only_here + self.only_there)


def figures_of(run: VerifyRun) -> Figures:
    """Count the outcomes of a run."""
    good = [outcome for outcome in run.outcomes if not outcome.failure]
    calls = [call for outcome in good for call in outcome.calls]
    return Figures(
        answered=len(good),
        failed=len(run.outcomes) - len(good),
        failures=dict(Counter(outcome.failure for outcome in run.outcomes if outcome.failure)),
        finish_reasons=dict(Counter(outcome.finish_reason for outcome in good)),
        calls=len(calls),
        obeying=sum(not call.violation for call in calls),
        violations=dict(Counter(call.name for call in calls if call.violation)),
        thinking_only=sum(outcome.is_thinking_only for outcome in good),
        tokens=sum(outcome.tokens for outcome in good),
    )


def agreement_of(outcomes: Sequence[Outcome], expected: Mapping[str, Called]) -> Agreement:
    """Compare the tools that are called with those of the mapping, by the id of the sample.

    Answers that failed, and samples that the mapping lacks, are left out.
    """
    pairs = [(o.called, expected[o.id]) for o in outcomes if o.id in expected and not o.failure]
    return Agreement(
        both=sum(bool(here and there) for here, there in pairs),
        only_here=sum(bool(here and not there) for here, there in pairs),
        only_there=sum(bool(there and not here) for here, there in pairs),
        neither=sum(not here and not there for here, there in pairs),
        same_tools=sum(bool(here) and here == there for here, there in pairs),
    )


def expected_of(samples: Iterable[Sample]) -> dict[str, Called]:
    """Return the tools that should be called, by the id of the sample."""
    return {s.id: tuple(sorted(set(s.expected))) for s in samples if s.expected is not None}


def reference_of(samples: Sequence[Sample], reference: VerifyRun) -> dict[str, Called]:
    """Return the tools that a reference run calls.

    Raises:
        RequestError: it has other samples.
    """
    if reference.samples != (digest := digest_of(samples)):
        msg = f"--reference: its samples are {reference.samples}, and those of this run {digest}"
        raise RequestError(f"{msg}; only runs of the same samples can be compared")
    return {outcome.id: outcome.called for outcome in reference.outcomes if not outcome.failure}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
