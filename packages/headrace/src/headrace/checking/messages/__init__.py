"""Anthropic's Messages API: its requests, its events as chunks, and the rules about its events."""

from headrace.checking.messages.api import MESSAGES
from headrace.checking.messages.rules import DERIVED, RULES

__all__ = ["DERIVED", "MESSAGES", "RULES"]
