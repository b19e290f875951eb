"""Turns: an engine's output is appended to a log, and everything else is derived from the log."""

from headrace.turns.interpreter import Interpreter
from headrace.turns.log import LogReader, MemoryLog
from headrace.turns.open_store import check_store, open_store
from headrace.turns.registry import TurnRegistry
from headrace.turns.settings import TurnSettings
from headrace.turns.turn import Turn, new_turn_id

__all__ = [
    "Interpreter",
    "LogReader",
    "MemoryLog",
    "Turn",
    "TurnRegistry",
    "TurnSettings",
    "check_store",
    "new_turn_id",
    "open_store",
]
