"""The scenarios; each is one round."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Final

from deployment import DEFAULT_MAX_TOKENS
from fire import LEASE, LINGER, Fire, Turn
from greedy_questions import steady_questions
from proxy import CUTS

__all__ = ["NEED_SHARDS", "NEED_WHOLE_SERVERS", "SCENARIOS"]

Scenario = Callable[[Fire], Awaitable[None]]


async def kills(fire: Fire) -> None:
    """Kill a server, or all of them, while five readers with bad connections follow each turn."""
    turns = fire.ask(4)
    await fire.moment()
    for server in fire.servers if fire.chance.random() < 0.2 else [fire.any_server()]:
        fire.kill(server)
    await fire.settle(turns)


async def hops(fire: Fire) -> None:
    """Readers change the replica after every few events, and are away for less than `linger`."""
    turns = fire.ask(4, cuts=(), stay=fire.chance.randint(1, 8), pause=fire.chance.choice([0.0, 0.1]))
    turns += fire.ask(2, readers=1, cuts=(), stay=8, pause=LINGER / 2, pace=0.2)
    await fire.settle(turns)


async def cuts(fire: Fire) -> None:
    """Cut connections at every kind of byte; the SDK names its requests itself."""
    turns = []
    for name in CUTS:
        turns += fire.ask(1, readers=2, cuts=[name, name], words=30)
        turn = fire.new_turn(words=20)
        fire.add_sdk(turn, cuts=[name], is_named=False)
        turns.append(turn)
    await fire.settle(turns)


async def stops(fire: Fire) -> None:
    """Stop a server for shorter or longer than its lease, and wake it: it must not write any more."""
    turns = fire.ask(4, pace=0.04)
    await fire.moment()
    await fire.suspend(fire.any_server(), fire.chance.uniform(0.2, 3.0) * LEASE)
    await fire.settle(turns)


async def restarts(fire: Fire) -> None:
    """Restart one server after the other with SIGTERM, while new requests come, some of them still silent."""
    fire.may_be_unavailable = len(fire.servers) == 1
    turns = fire.ask(3, delay=fire.chance.choice([0.0, 2.0]))
    for server in fire.servers:
        turns += await _ask_during(fire, fire.restart(server), 5)
    await fire.settle(turns)


async def deletes(fire: Fire) -> None:
    """Delete turns, some during a takeover: every reader gets the answer so far, and `stop`."""
    limit = {"max_tokens": 1000}  # the default would end some answers before the DELETE
    turns = fire.ask(4, words=400, expected=None, reason="stop", counts_tokens=False, fields=limit)
    ids = await asyncio.gather(*(turn.id() for turn in turns))
    await fire.moment()
    if fire.chance.random() < 0.7:
        fire.kill(fire.any_server())
    await fire.moment(0.0, 1.5 * LEASE)
    deleted = await asyncio.gather(*(fire.request("DELETE", f"/chat/completions/{id}") for id in ids))
    for turn, completion in zip(turns, deleted, strict=True):
        turn.question.expected = len(completion["choices"][0]["message"]["content"].split())
    await fire.settle(turns)


async def duplicates(fire: Fire) -> None:
    """Send the same request to the replicas at the same instant, five times; the answer is generated once."""
    turns = [fire.new_turn(delay=fire.chance.choice([0.0, 0.5])) for _ in range(4)]
    for turn in turns:
        for _ in range(3):
            fire.add_asker(turn, cuts=())
        for _ in range(2):
            fire.add_sdk(turn, cuts=())
    if fire.chance.random() < 0.3:
        await fire.moment()
        fire.kill(fire.any_server())
    await fire.settle(turns)


async def poison(fire: Fire) -> None:
    """A prompt kills its server: the third time without progress ends it, with progress it continues."""
    if fire.chance.random() < 0.3:
        turn = fire.new_turn(deadly_after=10, words=35)
    else:
        turn = fire.new_turn(deadly_after=0, expected=None, reason="network_error", counts_tokens=False)
    match fire.chance.choice(["raw", "SDK", "asynchronous"]):
        case "raw":
            fire.add_asker(turn, cuts=())
        case "SDK":
            fire.add_sdk(turn, cuts=())
        case _:
            posted = await fire.request("POST", "/async/chat/completions", turn.body)
            async with asyncio.timeout(60):
                await fire.result(posted["id"])
    await fire.settle([turn])
    if turn.question.deadly_after == 0:
        deaths = len(turn.question.generations)
        fire.tally.fault("generated twice", f"{turn.question.name} killed {deaths}", max(deaths - 3, 0))


async def limits(fire: Fire) -> None:
    """Kill the servers during answers with a limit: the operator's, a client's, a minimum, a stop string."""
    turns = fire.ask(1, words=1000, expected=DEFAULT_MAX_TOKENS, reason="length")
    turns += fire.ask(1, words=1000, expected=80, reason="length", fields={"max_tokens": 80})
    turns += fire.ask(1, words=10, expected=90, fields={"min_tokens": 90})
    turns += fire.ask(
        1,
        words=1000,
        expected=80,
        reason="length",
        words_per_chunk=2,
        has_ids=False,
        pace=0.04,
        fields={"max_tokens": 80},
    )
    turns += fire.ask(1, words=100, expected=69, counts_tokens=False, fields={"stop": ["水 70"]})
    await fire.moment(0.3, 1.2)
    for server in fire.servers:
        fire.kill(server)
    await fire.settle(turns)


async def greedy(fire: Fire) -> None:
    """Kill the servers while the embedded model answers greedily: the answers are those without a kill."""
    asked = fire.chance.sample(await asyncio.to_thread(steady_questions, 12), 6)
    unknown = {"words": 0, "expected": None, "counts_tokens": False}
    async with fire.serving("embedded"):
        undisturbed = [turn for fields in asked for turn in fire.ask(1, 1, cuts=(), fields=fields, **unknown)]
        right = await asyncio.gather(*(turn.readers[0] for turn in undisturbed))
        turns = [turn for fields in asked for turn in fire.ask(1, 3, fields=fields, **unknown)]
        for turn, answer in zip(turns, right, strict=True):
            turn.question.text, turn.question.usage = answer.text, answer.usage
            turn.question.reason = answer.finish_reason or ""
        await fire.moment(0.1, 0.8)
        for server in fire.servers:
            fire.kill(server)
        await fire.settle(turns)


async def lost_writes(fire: Fire) -> None:
    """The store comes back without its last writes; the producers may be dead as well."""
    turns = fire.ask(4)
    await fire.moment(0.5, 1.2)
    if fire.store.is_server and fire.chance.random() < 0.5:
        for server in fire.servers:
            fire.kill(server)
    await fire.lose_writes(fire.chance.randint(1, 20_000))
    await fire.settle(turns)


async def outages(fire: Fire) -> None:
    """The store's server is restarted; a SQLite file is locked by another program."""
    turns = fire.ask(4)
    await fire.moment()
    await fire.block_store(fire.chance.uniform(0.0, 3.0))
    await fire.settle(turns)


async def shards(fire: Fire) -> None:
    """One shard is down for a while, as new requests come: all others continue, and its turns after it."""
    turns = fire.ask(6)
    await fire.moment()
    turns += await _ask_during(fire, fire.stop_shard(fire.chance.uniform(0.5, 6.0)), 4)
    await fire.settle(turns)


async def failovers(fire: Fire) -> None:
    """A shard fails over to a replica without the last writes; the producers may be dead as well."""
    turns = fire.ask(6)
    await fire.moment()
    failing_over = asyncio.create_task(fire.fail_over(fire.chance.uniform(0.2, 1.0)))
    if fire.chance.random() < 0.5:
        await fire.moment()
        fire.kill(fire.any_server())
    await failing_over
    await fire.settle(turns)


async def asynchronous(fire: Fire) -> None:
    """The server of an asynchronous turn dies; another one continues the turn before anybody polls."""
    turns = [fire.new_turn(pace=0.05) for _ in range(3)]
    posted = [await fire.request("POST", "/async/chat/completions", turn.body) for turn in turns]
    await fire.moment()
    fire.kill(fire.any_server())
    async with asyncio.timeout(30):
        await asyncio.gather(*(turn.question.is_written.wait() for turn in turns))
    for turn, id in zip(turns, (each["id"] for each in posted), strict=True):
        result = await fire.result(id)
        is_complete = result["task_status"] == "SUCCESS"
        found = len(result["choices"][0]["message"]["content"].split()) if is_complete else 0
        fire.tally.fault("lost", f"{turn.question.name}: {result}", turn.question.words - found)
        fire.tally.count("readers")
    await fire.settle(turns)


async def _ask_during(fire: Fire, harm: Coroutine[None, None, None], count: int) -> list[Turn]:
    """Start turns one after the other, while something is harmed; return them."""
    harming = asyncio.create_task(harm)
    turns = []
    for _ in range(count):
        turns += fire.ask(1, readers=2, words=20)
        await asyncio.sleep(0.4)
    await harming
    return turns


SCENARIOS: Final[Mapping[str, Scenario]] = {
    scenario.__name__.replace("_", "-"): scenario
    for scenario in (
        kills,
        hops,
        cuts,
        stops,
        restarts,
        deletes,
        duplicates,
        poison,
        limits,
        greedy,
        lost_writes,
        outages,
        asynchronous,
        shards,
        failovers,
    )
}
"""By name."""

NEED_SHARDS: Final = {"shards", "failovers"}
"""Those that harm one of several stores."""

NEED_WHOLE_SERVERS: Final = {"poison", "greedy", "lost-writes"}
"""Those that kill a certain process, or need all processes to be dead."""
