"""Limits over all processes that share a store: turns in flight, requests and tokens, a fair queue."""

from headrace.limits.admission import Admission
from headrace.limits.engine import LimitedEngine
from headrace.limits.ledger import Ledger
from headrace.limits.limiter import Limiter, LocalLimiter, Report
from headrace.limits.settings import CurrentLimits, LimitSettings
from headrace.limits.shared import SharedLimiter
from headrace.limits.stores import open_limiter
from headrace.limits.ticket import (
    Decision,
    Granted,
    KeyLimits,
    Lost,
    Refused,
    Ticket,
    Usage,
    Waiting,
)

__all__ = [
    "Admission",
    "CurrentLimits",
    "Decision",
    "Granted",
    "KeyLimits",
    "Ledger",
    "LimitSettings",
    "LimitedEngine",
    "Limiter",
    "LocalLimiter",
    "Lost",
    "Refused",
    "Report",
    "SharedLimiter",
    "Ticket",
    "Usage",
    "Waiting",
    "open_limiter",
]
