"""What is said to a server and how its answer is read: pure, no socket; the dialects are data."""

from headrace.engines.protocols.base import Protocol, Reader
from headrace.engines.protocols.chat import Chat
from headrace.engines.protocols.completions import Completions
from headrace.engines.protocols.dialects import DIALECTS, Dialect

__all__ = ["DIALECTS", "Chat", "Completions", "Dialect", "Protocol", "Reader"]
