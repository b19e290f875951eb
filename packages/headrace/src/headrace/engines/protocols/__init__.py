"""Protocols of upstream servers: requests and chunks, without I/O. The dialects are data."""

from headrace.engines.protocols.base import Protocol, Reader
from headrace.engines.protocols.chat import Chat
from headrace.engines.protocols.completions import Completions
from headrace.engines.protocols.dialects import DIALECTS, Dialect, DialectName

__all__ = ["DIALECTS", "Chat", "Completions", "Dialect", "DialectName", "Protocol", "Reader"]
