"""Responses of servers, as bytes: the events read from them, and our chunks of these events."""

import json
from pathlib import Path

import msgspec

from headrace.chunks import ChunkEncoder, merge
from headrace.engines import Generation
from headrace.engines.protocols import DIALECTS, Chat, Completions
from headrace.engines.protocols.error_mapping import Upstream
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.sse import DONE, SseDecoder
from headrace.turns import Interpreter
from headrace.wire import decode_request
from headrace.wire.decode import is_complete_json

TRACES = Path(__file__).parent / "traces" / "wire"
CASES = sorted(path.parent for path in TRACES.glob("*/*/answer.json"))
UPSTREAM = Upstream("the server", "SERVER_KEY")


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
    """The parser of an engine of this kind."""
    return OutputParser(
        FORMATS["glm-4.6"],
        request.schemas,
        thinking=request.wants_thinking,
        tool_stream=request.tool_stream,
    )


def protocol(kind, dialect="openai", **options):
    if kind == "chat":
        return Chat(DIALECTS[dialect], UPSTREAM, model="theirs", **options)
    return Completions(DIALECTS[dialect], UPSTREAM, **options)


def read(kind, fragments, generation):
    """The events of a stream."""
    reader = protocol(kind).reader(generation)
    decoder = SseDecoder()
    events = []
    for fragment in fragments:
        for event in decoder.feed(fragment):
            events += reader.feed(event.data)
    decoder.finish()
    if decoder.unfinished is not None and is_complete_json(decoder.unfinished.data):
        events += reader.feed(decoder.unfinished.data)
    return events + reader.finish()


def chunks_of(kind, events, generation):
    """Our chunks of an engine's events, as JSON."""
    interpreter = Interpreter(lambda: parser(kind, generation.request))
    chunks = ChunkEncoder("turn", 1, "m")
    encoded = [chunks.encode(event) for event in merge(interpreter.feed(events))]
    return [json.loads(msgspec.json.encode(chunk)) for chunk in encoded if chunk is not None]


def upstream(case):
    return next(case.glob("upstream.*"))


def streams(case):
    return upstream(case).suffix == ".sse"


def events_of(case, cut, **fields):
    """The events of a case whose bytes arrive in parts."""
    generation = ask(tools=TOOLS, **{"tool_stream": True, **fields})
    data = upstream(case).read_bytes()
    if not streams(case):
        reader = protocol(case.parent.name).reader(generation)
        return reader.feed(data) + reader.feed(DONE)
    return read(case.parent.name, cut(data), generation)
