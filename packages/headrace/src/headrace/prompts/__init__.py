"""Messages → the text that a model reads."""

from headrace.prompts.template import ChatTemplate, render_request

__all__ = ["ChatTemplate", "render_request"]
