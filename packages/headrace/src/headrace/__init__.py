"""Headrace: Z.ai's streaming chat-completions API on your own hardware. ARCHITECTURE.md has the layers."""

__all__ = ["__version__"]

__version__ = "0.1.0"
