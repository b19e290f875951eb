"""Tickets, and the settlement of what they were charged."""

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuing_engine import ContinuingEngine
from fake_limiter import FakeLimiter, generation
from headrace.engines import ScriptedEngine
from headrace.events import Text, TokenUsage
from headrace.limits import Admission, KeyLimits, LimitSettings, Refused
from headrace.limits.admission import estimate_tokens
from headrace.turns import OutcomeKind, TurnOutcome
from virtual_time import virtual_time

__all__ = ["virtual_time"]

ONE = KeyLimits(in_flight=1)


class Limited(ContinuingEngine):
    """An engine with a default limit of an answer's tokens."""

    def token_limit(self, generation):
        return generation.request.max_tokens or 1024


def admission(limiter=None, limits=ONE, **settings):
    return Admission(limiter or FakeLimiter(), lambda: LimitSettings(**settings), lambda _: limits)


def outcome(id="t1", prompt=7, completion=100, owner="me"):
    return TurnOutcome(
        id=id,
        owner=owner,
        model="glm",
        kind=OutcomeKind.STOP,
        finish_reason="stop",
        usage=TokenUsage(prompt, completion),
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("limits", "settings", "is_limited"),
    [
        (KeyLimits(), {}, False),
        (KeyLimits(), {"max_in_flight": 1}, True),
        (KeyLimits(), {"max_in_flight_per_model": 1}, True),
        *((KeyLimits(**{name: 1}), {}, True) for name in KeyLimits.__struct_fields__),
    ],
)
def test_only_what_a_limit_concerns_needs_a_ticket(limits, settings, is_limited):
    ticket = admission(limits=limits, **settings).ticket(generation(), ContinuingEngine(""), "glm")
    assert (ticket is not None) == is_limited


def test_a_ticket_says_who_asks_for_what():
    asked = generation("t9", owner="key", user_id="me-too", max_tokens=50)
    ticket = admission().ticket(asked, ContinuingEngine(""), "glm")
    assert (ticket.id, ticket.key, ticket.user, ticket.model) == ("t9", "key", "me-too", "glm")
    assert (ticket.answer, ticket.limits, ticket.is_continued) == (50, ONE, False)


@pytest.mark.parametrize(
    ("engine", "max_tokens", "reserved"),
    [
        (ContinuingEngine(""), None, 4096),
        (ContinuingEngine(""), 50, 50),
        (ContinuingEngine(""), 9999, 9999),
        (Limited(""), None, 1024),
        (Limited(""), 50, 50),
        (ScriptedEngine(""), 50, 50),
        (ScriptedEngine(""), None, 4096),
    ],
)
def test_the_reservation_for_an_answer_is_its_limit_or_the_default(engine, max_tokens, reserved):
    asked = generation(max_tokens=max_tokens)
    assert admission().ticket(asked, engine, "glm").answer == reserved


def test_a_continuation_reserves_what_the_answer_has_already():
    asked = msgspec.structs.replace(
        generation(max_tokens=50), prefix=(Text("ab", 2), Text("c")), prompt_ids=(1, 2, 3, 4)
    )
    ticket = admission().ticket(asked, ContinuingEngine(""), "glm")
    assert (ticket.prompt, ticket.answer, ticket.is_continued) == (4, 53, True)


@given(st.text(max_size=200))
def test_a_prompt_is_estimated_by_its_bytes_wherever_its_text_is(text):
    expected = max(len(text.encode()) // 4, 1)
    assert estimate_tokens(generation(prompt=text or "x")) == expected
    message = {"role": "user", "content": text}
    assert estimate_tokens(generation(prompt="", messages=[message])) == expected


def test_everything_that_an_engine_reads_counts_but_images():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "x" * 400}}
    messages = [
        {"role": "user", "content": "x" * 400},
        {"role": "assistant", "content": "", "reasoning_content": "x" * 400, "tool_calls": [call]},
        {"role": "tool", "content": "x" * 400, "tool_call_id": "c"},
    ]
    function = {"name": "f", "description": "x" * 400, "parameters": {"type": "object", "properties": {}}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4000}}
    tokens = estimate_tokens(
        generation(prompt="", messages=messages, tools=[{"type": "function", "function": function}])
    )
    assert 500 <= tokens < 550
    assert estimate_tokens(generation(prompt="", messages=[{"role": "user", "content": [image]}])) == 1


async def enter(gate, limiter, id="t1"):
    gate.enter(gate.ticket(generation(id), ContinuingEngine(""), "glm"), lambda _: None)


async def test_an_outcome_settles_its_turn_once(virtual_time):
    limiter = FakeLimiter()
    gate = admission(limiter)
    await enter(gate, limiter)
    gate.engine_ended("t1")
    gate.finished(outcome())
    await asyncio.sleep(60)
    assert limiter.calls[1:] == [("settle", "t1", 107)]


async def test_a_turn_is_settled_although_its_limits_have_been_removed(virtual_time):
    limiter, limits = FakeLimiter(), [ONE]
    gate = Admission(limiter, LimitSettings, lambda _: limits[-1])
    await enter(gate, limiter)
    limits.append(KeyLimits())
    gate.finished(outcome())
    gate.finished(outcome("unlimited"))
    assert limiter.calls[1:] == [("settle", "t1", 107)]


async def test_without_an_outcome_a_slot_is_released_after_the_engine_has_stopped(virtual_time):
    limiter = FakeLimiter()
    gate = admission(limiter)
    await enter(gate, limiter)
    await asyncio.sleep(900)
    assert len(limiter.calls) == 1
    gate.engine_ended("t1")
    await asyncio.sleep(60)
    assert limiter.calls[1:] == [("leave", "t1")]


async def test_each_slot_is_released_at_its_own_time(virtual_time):
    limiter = FakeLimiter()
    gate = admission(limiter)
    for number in range(3):
        await enter(gate, limiter, f"t{number}")
    gate.engine_ended("t0")
    await asyncio.sleep(1.5)
    gate.engine_ended("t1")
    gate.engine_ended("t2")
    gate.finished(outcome("t1"))
    await asyncio.sleep(1)
    assert limiter.calls[3:] == [("settle", "t1", 107), ("leave", "t0")]
    await asyncio.sleep(1.5)
    assert limiter.calls[5:] == [("leave", "t2")]


@pytest.mark.parametrize("is_refused", [True, False])
@pytest.mark.parametrize("completion", [0, 100])
async def test_a_turn_that_never_ran_is_not_settled_unless_another_process_had_begun_it(
    virtual_time, is_refused, completion
):
    limiter = FakeLimiter()
    gate = admission(limiter)
    await enter(gate, limiter)
    if is_refused:
        gate.refuse("t1", Refused("1302", "no", 2.0))
    else:
        gate.leave("t1")
    gate.finished(outcome(prompt=0, completion=completion))
    settled = [call for call in limiter.calls if call[0] == "settle"]
    assert settled == ([("settle", "t1", 100)] if completion else [])


async def test_nothing_is_remembered_of_turns_whose_outcome_another_process_has(virtual_time):
    limiter = FakeLimiter()
    gate = admission(limiter)
    for number in range(30):
        await enter(gate, limiter, f"t{number}")
        (gate.engine_ended, gate.leave)[number % 2](f"t{number}")
    await asyncio.sleep(60)
    assert gate._entries == {}
    await gate.close()
    assert limiter.calls[-1] == ("close",)


async def test_a_turn_that_comes_back_enters_anew(virtual_time):
    limiter = FakeLimiter()
    gate = admission(limiter)
    await enter(gate, limiter)
    gate.engine_ended("t1")
    await enter(gate, limiter)
    await asyncio.sleep(60)
    assert limiter.calls == [("enter", "t1"), ("leave", "t1"), ("enter", "t1")]


async def test_at_shutdown_the_turns_that_are_ending_are_settled_and_no_other(virtual_time):
    limiter = FakeLimiter()
    gate = admission(limiter)
    await enter(gate, limiter)
    gate.running.add("t1")
    asyncio.get_running_loop().call_later(0.5, gate.running.discard, "t1")
    asyncio.get_running_loop().call_later(0.5, gate.finished, outcome())
    await gate.close()
    gate.finished(outcome("late"))
    assert limiter.calls[1:] == [("settle", "t1", 107), ("close",)]
