"""Figures of the last hour: by minute, model and key, in bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.events import TokenUsage
from headrace.server.admin.figures import MINUTES, Hour, added
from headrace.turns import OutcomeKind
from metrics_text import outcome


class Clock:
    """A clock that is set."""

    def __init__(self, minute=1000.0):
        self.minute = minute

    def __call__(self):
        return 60 * self.minute


def total(hour):
    return added(row.figures for row in hour.rows())


def test_turns_are_added_up_by_minute_model_and_key():
    clock = Clock()
    hour = Hour(now=clock)
    for key, kind in (("a", OutcomeKind.STOP), ("a", OutcomeKind.ENGINE_ERROR), ("b", OutcomeKind.CANCELLED)):
        hour.finished(outcome(owner=key, kind=kind, usage=TokenUsage(7, 5), first_token_seconds=0.5))
    clock.minute += 1
    hour.finished(outcome(owner="a", model=""))
    rows = {(row.minute, row.model, row.key): row.figures for row in hour.rows()}

    assert list(rows) == [(1000, "glm-4.6", "a"), (1000, "glm-4.6", "b"), (1001, "other", "a")]
    first = rows[1000, "glm-4.6", "a"]
    assert (first.turns, first.failed, first.cancelled, first.prompt, first.completion) == (2, 1, 0, 14, 10)
    assert (first.answered, first.first_token_seconds) == (1, 0.5)
    assert rows[1000, "glm-4.6", "b"].cancelled == 1


@given(st.lists(st.integers(0, 30), min_size=1))
def test_what_is_older_than_an_hour_is_forgotten(pauses):
    clock, times = Clock(), []
    hour = Hour(now=clock)
    for pause in pauses:
        clock.minute += pause
        times.append(clock.minute)
        hour.finished(outcome())

    assert total(hour).turns == sum(time > clock.minute - MINUTES for time in times)
    assert len(hour.rows()) <= MINUTES
    clock.minute += MINUTES
    assert hour.rows() == []


def test_many_keys_share_a_row():
    hour = Hour(now=Clock())
    for number in range(1000):
        hour.finished(outcome(owner=f"key{number}"))

    assert len(hour.rows()) == 201
    assert total(hour).turns == 1000
    assert hour.rows()[-1].figures.turns == 800


def test_a_replacement_continues_the_figures_of_its_slot():
    first = Hour(now=Clock())
    first.finished(outcome())
    second = Hour(first.rows(), Clock())
    second.finished(outcome())

    assert total(second).turns == 2
