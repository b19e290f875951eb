"""The path of `StreamResponse` in PyPI's zai-sdk."""

from zai.streaming.stream import Stream as StreamResponse

__all__ = ["StreamResponse"]
