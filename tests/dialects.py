"""Answers of servers, as bytes: what is read from them, and what our wire makes of it."""

import json
from pathlib import Path

import msgspec

from headrace.chunks import ChunkEncoder, merge
from headrace.engines import Generation
from headrace.engines.protocols import DIALECTS, Chat, Completions
from headrace.engines.protocols.error_mapping import Source
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.sse import SseDecoder
from headrace.turns import Interpreter
from headrace.wire import decode_request

TRACES = Path(__file__).parent / "traces" / "wire"
SOURCE = Source("the server", "SERVER_KEY")


def tool(name, **properties):
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS = [
    tool("get_weather", location={"type": "string"}),
    tool("get_weather_week", location={"type": "string"}),
    tool("get_time"),
]


def ask(prompt="", **fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True, **fields}
    return Generation(prompt, decode_request(msgspec.json.encode(body)))


def parser(kind, request):
    """As the server makes it, for an engine of this kind."""
    return OutputParser(
        FORMATS["glm-4.6"],
        request.schemas,
        thinking=request.wants_thinking,
        tool_stream=request.tool_stream,
    )


def protocol(kind, dialect="openai", **options):
    if kind == "chat":
        return Chat(DIALECTS[dialect], SOURCE, model="theirs", **options)
    return Completions(DIALECTS["llama.cpp" if dialect == "openai" else dialect], SOURCE, **options)


def read(kind, pieces, generation):
    """What is said, from the bytes of a stream in pieces."""
    reader = protocol(kind).reader(generation)
    frames = SseDecoder()
    said = []
    for piece in pieces:
        for frame in frames.feed(piece):
            said += reader.feed(frame.data)
    frames.finish()
    return said + reader.finish()


def on_the_wire(kind, said, generation):
    """Our chunks, as JSON."""
    interpreter = Interpreter(parser(kind, generation.request))
    chunks = ChunkEncoder("turn", 1, "m")
    encoded = [chunks.encode(event) for event in merge(interpreter.feed(said))]
    return [json.loads(msgspec.json.encode(chunk)) for chunk in encoded if chunk is not None]
