"""A client for tests of the server: plain HTTP and the SSE decoder."""

import json

from headrace.sse import DONE, SseDecoder

CHAT = "/api/paas/v4/chat/completions"
CODING_CHAT = "/api/coding/paas/v4/chat/completions"
OPENAI_CHAT = "/v1/chat/completions"
HELLO = {"model": "glm-4.6", "messages": [{"role": "user", "content": "Hello"}]}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}},
    },
}
CALL = (
    "\n<think>Weather.</think>\nLet me see.\n<tool_call>get_weather\n<arg_key>location</arg_key>\n"
    "<arg_value>北京</arg_value>\n</tool_call>"
)


def events_of(body):
    return SseDecoder().feed(body)


def chunks_of(body):
    """Decode the chunks of a stream, which must end with [DONE]."""
    *chunks, done = [event.data for event in events_of(body)]
    assert done == DONE
    return [json.loads(chunk) for chunk in chunks]


def stream(client, path=CHAT, **fields):
    """Request a stream and return its chunks."""
    response = client.post(path, json={**HELLO, "stream": True, **fields})
    assert response.status_code == 200, response.text
    return chunks_of(response.content)


def deltas(chunks, key):
    return [chunk["choices"][0]["delta"][key] for chunk in chunks if key in chunk["choices"][0]["delta"]]
