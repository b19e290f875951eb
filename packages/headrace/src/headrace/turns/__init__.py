"""Turns: an engine's output is appended to a log, from which every response is derived."""

from headrace.turns.interpreter import Interpreter
from headrace.turns.log import LogReader, MemoryLog
from headrace.turns.new_turn import new_turn_id
from headrace.turns.observers import ProducedTurn, ProducerObserver
from headrace.turns.outcome import OutcomeKind, TurnObserver, TurnOutcome
from headrace.turns.plan import Plan, Planner
from headrace.turns.registry import TurnRegistry
from headrace.turns.settings import TurnSettings
from headrace.turns.stores import STORES, check_store, open_shards, open_store
from headrace.turns.takeover import ordinal_of
from headrace.turns.turn import Turn

__all__ = [
    "STORES",
    "Interpreter",
    "LogReader",
    "MemoryLog",
    "OutcomeKind",
    "Plan",
    "Planner",
    "ProducedTurn",
    "ProducerObserver",
    "Turn",
    "TurnObserver",
    "TurnOutcome",
    "TurnRegistry",
    "TurnSettings",
    "check_store",
    "new_turn_id",
    "open_shards",
    "open_store",
    "ordinal_of",
]
