"""Headrace: Z.ai's streaming chat-completions API on your own hardware.

The layers, from the bottom: words (errors, events, sse), pure code (wire, formats,
parsing, prompts), joins (chunks), the outside (engines, turns), the server, the programs.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
