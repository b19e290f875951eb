"""What went wrong: readers' answers compared with the right ones, and the table of the figures."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Final

from question import Question, numbers
from readers import Answer

__all__ = ["FAULTS", "Tally"]

FAULTS: Final = ("lost", "twice", "differing", "generated twice", "wrongly rejected", "hung")
"""Each must be 0."""

_DONE: Final = ("turns", "readers", "kills", "stops", "cuts")


class Tally:
    """Counts, by scenario."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self._place = ""

    @property
    def kills(self) -> int:
        return sum(counts["kills"] for counts in self.counts.values())

    def enter(self, scenario: str, round_: int) -> None:
        """Count for a scenario from here on."""
        self.counts.setdefault(scenario, Counter())
        self._scenario = scenario
        self._place = f"{scenario}, round {round_}"

    def count(self, name: str, number: int = 1) -> None:
        self.counts[self._scenario][name] += number

    def fault(self, name: str, description: str, number: int = 1) -> None:
        """Count a fault, and describe it on stderr."""
        if number:
            self.count(name, number)
            print(f"{self._place}: {name} {number}: {description}", file=sys.stderr, flush=True)

    def check_answer(self, question: Question, answer: Answer, logged: Answer) -> None:
        """Compare what a reader has received with the right answer, and with the turn's log."""
        self.count("readers")
        who = f"{question.name}, {answer.who} {answer.note}"
        found = numbers(answer.text)
        expected = len(numbers(logged.text)) if question.expected is None else question.expected
        lost = sorted(set(range(expected)) - set(found))
        self.fault("lost", f"{who}: {lost}", len(lost))
        self.fault("twice", f"{who}: {found}", len(found) - len(set(found)))
        usage = question.usage or ((1, expected) if question.counts_tokens else answer.usage)
        differences = [
            f"{name} {mine!r}, expected {right!r}"
            for name, mine, right in (
                ("text", answer.text, question.text or logged.text),
                ("words", len(found), expected),
                ("finish_reason", answer.finish_reason, question.reason),
                ("events without an id", answer.unnumbered, 0),
                ("usage", answer.usage, usage),
            )
            if mine != right
        ]
        self.fault("differing", f"{who}: {'; '.join(differences)}", int(bool(differences)))

    def check_generations(self, question: Question, *, was_disturbed: bool) -> None:
        """Check that an answer was generated once: by one turn, and no word that a reader already had."""
        begun = question.generations.count(0)
        again = max(len(question.ids) - 1, question.repeated, 0 if was_disturbed else begun - 1)
        self.fault(
            "generated twice",
            f"{question.name}: turns {question.ids}, from {question.generations}",
            max(again, 0),
        )
        for prefix in question.broken_prefixes:
            self.fault("differing", f"{question.name} was continued after {prefix!r}")

    def print_table(self, lines: Sequence[str]) -> int:
        """Print the table and further lines; return the exit status."""
        columns = (*_DONE, *FAULTS)
        total = sum(self.counts.values(), Counter())
        print(f"{'':>14}" + "".join(f"{name:>{max(len(name) + 2, 8)}}" for name in columns))
        for scenario, counts in {**self.counts, "all": total}.items():
            print(f"{scenario:>14}" + "".join(f"{counts[name]:>{max(len(name) + 2, 8)}}" for name in columns))
        for line in lines:
            print(line)
        return 1 if any(total[name] for name in FAULTS) or not total["readers"] else 0
