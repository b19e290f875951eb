"""Anthropic's Messages API: requests, complete answers and errors. No I/O, no engine."""

from headrace.wire.messages.answer import fold_message
from headrace.wire.messages.decode_request import MessageOptions, decode_count_request, decode_message_request

__all__ = ["MessageOptions", "decode_count_request", "decode_message_request", "fold_message"]
