"""Messages → the prompt."""

from headrace.prompts.template import ChatTemplate, render_request

__all__ = ["ChatTemplate", "render_request"]
