"""Where PyPI's zai-sdk keeps its stream; programs import it from here too."""

from zai.streaming.stream import Stream as StreamResponse

__all__ = ["StreamResponse"]
