"""Every rule of the ledger at once, under arbitrary operations of several processes.

The ledger is encoded and decoded after each operation. What it should do follows from the tickets and its
decisions, except for what counts in windows, which have their own tests.
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from headrace.limits import Granted, KeyLimits, Ledger, LimitSettings, Lost, Refused, Waiting
from headrace.limits.ticket import Ticket

LEASE = 10.0
ACCOUNT = ("requests_per_minute", "tokens_per_5h")

few = st.sampled_from([0, 1, 2, 3])
settings = st.builds(LimitSettings, max_in_flight=few, max_in_flight_per_model=few, max_queued=st.just(6))
key_limits = st.builds(
    KeyLimits, in_flight=few, requests_per_minute=few, tokens_per_5h=st.sampled_from([0, 500, 2500])
)
processes = st.sampled_from("pqr")
places = st.integers(0, 1000)


class Turn:
    """What the machine knows of a turn."""

    def __init__(self, ticket, process):
        self.ticket = ticket
        self.process = process
        self.expires = 0.0
        self.state = None
        self.charge = 0
        self.has_ended = False


class LedgerMachine(RuleBasedStateMachine):
    @initialize(settings=settings, limits=st.tuples(key_limits, key_limits, key_limits))
    def begin(self, settings, limits):
        self.settings = settings
        self.limits = dict(zip("abc", limits, strict=True))
        self.now = 0.0
        self.turns = {}
        self.documents = {}
        self.ledger = Ledger(settings, LEASE)

    @rule(
        process=processes,
        key=st.sampled_from("abc"),
        user=st.sampled_from("uv"),
        model=st.sampled_from("mn"),
        answer=st.sampled_from([100, 300, 700]),
    )
    def enter(self, process, key, user, model, answer):
        ticket = Ticket(
            id=f"turn-{len(self.turns)}",
            key=key,
            user=user,
            model=model,
            prompt=0,
            answer=answer,
            limits=self.limits[key],
        )
        turn = self.turns[ticket.id] = Turn(ticket, process)
        self.enter_turn(turn)

    @rule(place=places, process=processes)
    def enter_again(self, place, process):
        """The same process asks again, or another takes the turn over."""
        if turn := self.pick(place, lambda turn: not turn.has_ended):
            turn.process = process
            self.enter_turn(turn)

    @rule(place=places, process=processes)
    def leave(self, place, process):
        if turn := self.pick(place, lambda turn: not turn.has_ended):
            has_started = isinstance(turn.state, Granted)
            self.ledger.leave(turn.ticket, process, self.now, has_started=has_started)
            if turn.state is None or turn.process == process:
                turn.state = None
                turn.charge *= has_started

    @rule(place=places, tokens=st.sampled_from([0, 50, 400, 3000]))
    def settle(self, place, tokens):
        if turn := self.pick(place, lambda turn: turn.charge or turn.state):
            self.ledger.settle(turn.ticket.id, turn.ticket.key, tokens, self.now)
            if not turn.has_ended and turn.charge:
                turn.charge = tokens
            turn.state, turn.has_ended = None, True

    @rule(process=processes)
    def renew(self, process):
        mine = [turn for turn in self.turns.values() if turn.process == process and turn.state]
        running = [turn.ticket for turn in mine if isinstance(turn.state, Granted)]
        waiting = [turn.ticket.id for turn in mine if isinstance(turn.state, Waiting)]
        assert self.ledger.renew(process, running, waiting, self.now) == []
        for turn in mine:
            turn.expires = self.now + LEASE

    @rule(seconds=st.sampled_from([0.5, 3.0, 7.0, 11.0, 61.0]))
    def wait(self, seconds):
        self.now += seconds
        self.ledger.pass_time(self.now)
        for turn in self.turns.values():
            if turn.expires <= self.now:
                turn.state = None

    def enter_turn(self, turn):
        turn.expires = self.now + LEASE
        turn.state = self.ledger.enter(turn.ticket, turn.process, self.now)
        if isinstance(turn.state, Refused):
            turn.state, turn.has_ended = None, True

    def pick(self, place, condition):
        turns = [turn for turn in self.turns.values() if condition(turn)]
        return turns[place % len(turns)] if turns else None

    def running(self, **values):
        """Return how many turns run; those with these values of their ticket."""
        return sum(
            isinstance(turn.state, Granted)
            and all(getattr(turn.ticket, name) == value for name, value in values.items())
            for turn in self.turns.values()
        )

    def could_start(self, turn):
        """Whether no limit keeps a turn waiting, nor the next turn of its key."""
        ticket, limits, settings = turn.ticket, turn.ticket.limits, self.settings
        usage = self.ledger.usage(ticket.key, self.now)
        largest = max(
            other.ticket.answer
            for other in self.turns.values()
            if other.ticket.key == ticket.key and isinstance(other.state, Waiting)
        )
        return not (
            0 < settings.max_in_flight <= self.running()
            or 0 < settings.max_in_flight_per_model <= self.running(model=ticket.model)
            or 0 < limits.in_flight <= self.running(key=ticket.key)
            or 0 < limits.requests_per_minute <= usage.requests
            or 0 < limits.tokens_per_5h < usage.tokens + largest
        )

    @invariant()
    def everything_holds(self):
        for process in "pqr":
            mine = {turn.ticket.id for turn in self.turns.values() if turn.process == process and turn.state}
            for id, state in self.ledger.states(process, mine, self.now).items():
                turn = self.turns[id]
                assert state is not None
                assert state != Lost()
                assert isinstance(turn.state, Waiting) or state == Granted()
                turn.state = state
                if state == Granted() and not turn.charge and self.has_account(turn):
                    turn.charge = turn.ticket.answer
        self.limits_hold()
        self.nobody_waits_in_vain()
        self.each_is_charged_once()
        self.the_copy_is_equal()

    def has_account(self, turn):
        return any(getattr(turn.ticket.limits, name) for name in ACCOUNT)

    def limits_hold(self):
        for limit, running in [
            (self.settings.max_in_flight, self.running()),
            *((self.settings.max_in_flight_per_model, self.running(model=model)) for model in "mn"),
            *((self.limits[key].in_flight, self.running(key=key)) for key in "abc"),
        ]:
            assert not limit or running <= limit
        for key in "abc":
            usage = self.ledger.usage(key, self.now)
            assert usage.in_flight == self.running(key=key)
            limit = self.limits[key].requests_per_minute
            assert not limit or usage.requests <= limit

    def nobody_waits_in_vain(self):
        for turn in self.turns.values():
            assert not (isinstance(turn.state, Waiting) and self.could_start(turn))

    def each_is_charged_once(self):
        for key in "abc":
            charged = sum(turn.charge for turn in self.turns.values() if turn.ticket.key == key)
            assert self.ledger.usage(key, self.now).tokens == charged

    def the_copy_is_equal(self):
        for name, value in self.ledger.changes(self.now).items():
            if value is None:
                self.documents.pop(name, None)
            else:
                self.documents[name] = value
        self.ledger = Ledger(self.settings, LEASE, dict(self.documents))
        assert self.ledger.changes(self.now) == {}


TestLedger = LedgerMachine.TestCase
