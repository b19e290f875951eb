"""OpenAI's Responses API: its requests, its events as chunks, and the rules about its events."""

from headrace.checking.responses.api import RESPONSES
from headrace.checking.responses.rules import DERIVED, RULES

__all__ = ["DERIVED", "RESPONSES", "RULES"]
