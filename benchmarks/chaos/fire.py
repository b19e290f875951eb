"""What a scenario can do: ask questions, and harm the servers, the network and the store."""

import asyncio
import os
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from deployment import REPLICAS, Server, Store
from proxy import CUTS, Proxy
from question import Question, generations
from readers import Answer, MessageReader, RawReader, Rejection, ResponseReader, read_with_sdk, request
from tally import Tally
from upstream import Upstream

__all__ = ["LEASE", "LINGER", "Fire", "Turn"]

LEASE: Final = 2.0
LINGER: Final = 20.0
_HANGS_AFTER: Final = 300.0
_OPTIONS: Final = ("--shutdown-timeout", "1", "--keep-alive-interval", "2", "--store-retry-timeout", "60")


class Turn:
    """A question with its readers."""

    def __init__(self, question: Question, request_id: str, disturbances: int) -> None:
        self.question = question
        self.request_id = request_id
        self.disturbances = disturbances
        self.readers: list[asyncio.Task[Answer]] = []

    @property
    def body(self) -> dict[str, Any]:
        """The request, with its `request_id`."""
        return {**self.question.body, "request_id": self.request_id}

    async def id(self) -> str:
        """Return the turn's id, as soon as a reader has it."""
        await self.question.is_begun.wait()
        return self.question.ids[0]


class Fire:
    """A deployment under fire.

    Args:
        store: as in `Store`.
        folder: of all files.
        seed: of the random numbers.
        workers: of the only server, if it has several.
    """

    def __init__(self, store: str, folder: Path, seed: int, workers: int = 1) -> None:
        self.chance = random.Random(seed)
        self.tally = Tally()
        self.store = Store(store, folder)
        self.has_lost_writes = False
        self.may_be_unavailable = False
        self.upstream = Upstream(lambda number: self.kill(self._all[number]))
        self._workers = workers
        self._counts = REPLICAS[store] if workers == 1 else (1,)
        self._folder = folder
        self._seed = seed
        self._all: list[Server] = []
        self._count = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._disturbances = 0
        self._asked = 0

    async def start(self) -> None:
        """Start everything."""
        self.store.start()
        options = [*_OPTIONS, "--store", self.store.address, "--lease", str(LEASE), "--linger", str(LINGER)]
        options += ["--workers", str(self._workers)]
        for number in range(max(self._counts)):
            port = await self.upstream.listen(number)
            has_workers = self._workers > 1
            self._all.append(Server(self._folder, number, port, options, has_workers=has_workers))
        await asyncio.gather(*(server.start() for server in self._all))

    def stop(self) -> None:
        """Stop everything."""
        for server in self._all:
            server.close()
        self.store.stop()
        self.upstream.close()

    def begin(self, scenario: str, round_: int) -> None:
        """Begin a round of a scenario, with one of the numbers of replicas."""
        self.chance = random.Random(f"{self._seed} {scenario} {round_}")
        self._count = self.chance.choice(self._counts)
        self.has_lost_writes = self.may_be_unavailable = False
        self.tally.enter(scenario, round_)

    # --- clients ---

    def ask(
        self,
        count: int = 1,
        readers: int = 5,
        *,
        cuts: Sequence[str] | None = None,
        stay: int | None = None,
        pause: float = 0.2,
        **fields: Any,
    ) -> list[Turn]:
        """Ask questions; each has several readers: one that asks, one of each other API, others, and the SDK.

        Args:
            count: of questions.
            readers: of each.
            cuts: where to cut the first connections of each reader, as in `CUTS`; None for random places.
            stay: the number of events after which a raw reader hops to another replica; None to stay.
            pause: seconds between two connections of a raw reader, at most.
            fields: of the `Question`.
        """
        turns = [self.new_turn(**fields) for _ in range(count)]
        for turn in turns:
            self.add_asker(turn, cuts=cuts, stay=stay, pause=pause)
            for number in range(readers - 2):
                kind = (MessageReader, ResponseReader)[number] if number < 2 else RawReader
                self._add(turn, self._follow(turn, kind, cuts=cuts, stay=stay, pause=pause))
            if readers > 1:
                self.add_sdk(turn, cuts=cuts)
        return turns

    def new_turn(self, **fields: Any) -> Turn:
        """Return a turn without readers."""
        self._asked += 1
        name = f"question-{self._asked}"
        words = fields.setdefault("words", self.chance.randint(40, 100))
        fields.setdefault("expected", words)
        fields.setdefault("has_ids", self.chance.random() < 0.5)
        question = Question(name, **fields)
        self.upstream.questions[name] = question
        return Turn(question, f"request-{os.getpid()}-{self._asked}", self._disturbances)

    def add_asker(
        self, turn: Turn, *, cuts: Sequence[str] | None = None, stay: int | None = None, pause: float = 0.2
    ) -> None:
        """Add a raw client that sends the request."""
        proxy = self._proxy(cuts)
        reader = RawReader(turn.question, turn.request_id, proxy, self.chance, stay=stay, pause=pause)
        self._add(turn, self._read(reader, proxy))

    def add_sdk(self, turn: Turn, *, cuts: Sequence[str] | None = None, is_named: bool = True) -> None:
        """Add a client of the SDK that sends the request, with a `request_id` or without."""
        self._add(turn, self._read_with_sdk(turn, self._proxy(cuts), is_named=is_named))

    async def _follow(
        self,
        turn: Turn,
        kind: type[RawReader],
        *,
        cuts: Sequence[str] | None,
        stay: int | None,
        pause: float,
    ) -> Answer:
        id, proxy = await turn.id(), self._proxy(cuts)
        reader = kind(turn.question, turn.request_id, proxy, self.chance, id=id, stay=stay, pause=pause)
        return await self._read(reader, proxy)

    async def _read(self, reader: RawReader, proxy: Proxy) -> Answer:
        async with proxy:
            answer = await reader.read()
        self.tally.count("cuts", proxy.cut)
        return answer

    async def _read_with_sdk(self, turn: Turn, proxy: Proxy, *, is_named: bool) -> Answer:
        async with proxy:
            answer = await read_with_sdk(turn.question, turn.request_id if is_named else None, proxy)
        self.tally.count("cuts", proxy.cut)
        return answer

    def _add(self, turn: Turn, reading: Any) -> None:
        turn.readers.append(asyncio.create_task(reading))

    def _proxy(self, cuts: Sequence[str] | None) -> Proxy:
        names = self.chance.choices(list(CUTS), k=self.chance.randint(1, 4)) if cuts is None else cuts
        where = [(name, self.chance.randint(1, 9)) for name in names]
        return Proxy([server.port for server in self.servers], self.chance, where)

    async def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request to a random replica, or to another one, until one responds."""
        async with asyncio.timeout(_HANGS_AFTER):
            while True:
                try:
                    server = self.chance.choice(self.servers)
                    response = await request(server.port, method, path, body)
                except (OSError, asyncio.IncompleteReadError):
                    await asyncio.sleep(0.05)
                    continue
                if not isinstance(response, Rejection):
                    return response
                self._check_rejection(f"{method} {path}", response)
                await asyncio.sleep(0.2)

    # --- faults ---

    @property
    def servers(self) -> list[Server]:
        """The replicas of this round."""
        return self._all[: self._count]

    async def moment(self, least: float = 0.1, most: float = 1.2) -> None:
        """Wait for a random time, in seconds."""
        await asyncio.sleep(self.chance.uniform(least, most))

    def any_server(self) -> Server:
        return self.chance.choice(self.servers)

    def kill(self, server: Server) -> None:
        """Kill a server, and start it again a little later."""
        server.kill()
        self.tally.count("kills")
        self._disturbances += 1
        self._run(self._start_later(server))

    async def suspend(self, server: Server, seconds: float) -> None:
        """Stop a server for some seconds."""
        server.suspend()
        self.tally.count("stops")
        self._disturbances += 1
        await asyncio.sleep(seconds)
        server.wake()

    async def restart(self, server: Server) -> None:
        """Stop a server with SIGTERM, and start it again."""
        self.tally.count("stops")
        self._disturbances += 1
        await server.terminate()
        await server.start()

    async def block_store(self, seconds: float) -> None:
        """Make the store unavailable for some seconds."""
        self._disturbances += 1
        self.may_be_unavailable = True
        await self.store.block(seconds)

    async def stop_shard(self, seconds: float) -> None:
        """Make one shard of the store unavailable for some seconds."""
        self._disturbances += 1
        self.may_be_unavailable = True
        self.tally.count("stops")
        await self.store.stop_shard(seconds)

    async def fail_over(self, seconds: float) -> None:
        """Let a replica without the writes of some seconds take the place of its primary."""
        self._disturbances += 1
        self.may_be_unavailable = self.has_lost_writes = True
        self.tally.count("stops")
        await self.store.fail_over(seconds)

    async def lose_writes(self, size: int) -> None:
        """Let the store lose its last bytes; kill SQLite's servers for it."""
        self._disturbances += 1
        self.may_be_unavailable = self.has_lost_writes = True
        if not self.store.is_server:
            for server in self._all:
                server.kill()
            self.tally.count("kills", self._count)
        await self.store.lose(size)
        if not self.store.is_server:
            await asyncio.gather(*(server.start() for server in self._all))

    async def result(self, id: str) -> dict[str, Any]:
        """Poll an asynchronous turn at any replica until it has ended; return its result."""
        while True:
            result = await self.request("GET", f"/async-result/{id}")
            if result["task_status"] != "PROCESSING":
                return result
            await asyncio.sleep(0.2)

    def _run(self, action: Any) -> None:
        task = asyncio.create_task(action)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def serving(self, model: str) -> AsyncGenerator[None, None]:
        """Serve another model for a while, as in `Server.serve`."""
        for each in (model, "words"):
            for server in self.servers:
                server.kill()
                server.serve(each)
            await asyncio.gather(*(server.start() for server in self.servers))
            if each == model:
                yield

    async def _start_later(self, server: Server) -> None:
        await self.moment(0.0, 0.6)
        if not server.is_running:
            await server.start()

    # --- the end of a round ---

    async def settle(self, turns: Sequence[Turn]) -> None:
        """Wait until all readers have their answers and all servers run; then check the answers."""
        if readers := [reader for turn in turns for reader in turn.readers]:
            await asyncio.wait(readers, timeout=_HANGS_AFTER)
        while self._tasks:
            await asyncio.gather(*self._tasks)
        for turn in turns:
            await self._check(turn)

    async def _check(self, turn: Turn) -> None:
        question = turn.question
        self.tally.count("turns")
        if not self.has_lost_writes:  # their words are generated again
            was_disturbed = self._disturbances > turn.disturbances
            self.tally.check_generations(question, was_disturbed=was_disturbed)
        answers = []
        for reader in turn.readers:
            if not reader.done():
                reader.cancel()
                await asyncio.wait([reader])
                self.tally.fault("hung", f"{question.name}: {reader}")
            elif not reader.cancelled():
                answers.append(reader.result())
        if not answers:
            return
        logged = await self._read_log(turn) if question.ids else answers[0]
        for answer in answers:
            may_fail = question.reason == "network_error"
            for rejection in answer.rejections:
                if not (may_fail and rejection.status >= 500):
                    self._check_rejection(f"{question.name}, {answer.who}", rejection)
            if not (self.has_lost_writes and answer.note):  # it was reported to the SDK's user
                # A reader may have had all of the answer before the store lost its end.
                had_all = self.has_lost_writes and len(generations(answer.text)) == 1
                self.tally.check_answer(question, answer, answer if had_all else logged)

    async def _read_log(self, turn: Turn) -> Answer:
        """Read the turn again, from the beginning."""
        proxy = self._proxy(())
        id = turn.question.ids[-1]
        async with proxy, asyncio.timeout(_HANGS_AFTER):
            return await RawReader(turn.question, turn.request_id, proxy, self.chance, id=id).read()

    def _check_rejection(self, what: str, rejection: Rejection) -> None:
        is_down = rejection.status == 503 and (self.may_be_unavailable or "retry-after" in rejection.headers)
        is_told = rejection.status in (404, 410) and self.has_lost_writes
        if not (is_down or is_told):
            self.tally.fault("wrongly rejected", f"{what}: {rejection.status} {rejection.text}")
