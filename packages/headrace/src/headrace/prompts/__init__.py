"""Messages → the prompt."""

from headrace.prompts.rendering import render_request
from headrace.prompts.template import ChatTemplate

__all__ = ["ChatTemplate", "render_request"]
