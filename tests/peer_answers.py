"""Requests to Headrace before a real model, and their answers, also while its process is killed."""

import json
import subprocess
import sys
from contextlib import contextmanager
from itertools import islice

import httpx2

from wire_client import CHAT, chunks_of, deltas

__all__ = ["WEATHER", "body", "deltas_of", "read", "read_through_kills", "texts_of"]

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "description": "the city"}},
            "required": ["location"],
        },
    },
}


def body(question, **fields):
    message = {"role": "user", "content": question}
    return {"model": "glm-4.6", "messages": [message], "do_sample": False, "stream": True, **fields}


def read(client, question, **fields):
    """Reasoning, content, calls, finish reason and usage of a stream."""
    response = client.post(CHAT, json=body(question, **fields))
    assert response.status_code == 200, response.text
    chunks = chunks_of(response.content)
    calls = [call for calls in deltas(chunks, "tool_calls") for call in calls]
    return (
        "".join(deltas(chunks, "reasoning_content")),
        "".join(deltas(chunks, "content")),
        [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls],
        chunks[-1]["choices"][0]["finish_reason"],
        chunks[-1]["usage"],
    )


def deltas_of(chunks):
    return [chunk["choices"][0]["delta"] for chunk in chunks]


def texts_of(deltas):
    """Reasoning, content and arguments of a stream."""
    calls = [call["function"]["arguments"] for delta in deltas for call in delta.get("tool_calls", ())]
    texts = ["".join(delta.get(key) or "" for delta in deltas) for key in ("reasoning_content", "content")]
    return [*texts, "".join(calls)]


def read_through_kills(options, frames, store, request):
    """The deltas of an answer whose server is killed after each number of frames; how often it was killed."""
    command = [
        *(sys.executable, "-m", "headrace", "serve", "--port", "0", "--store", f"sqlite:{store}"),
        *map(str, options),
    ]
    received, last, starts = [], -1, 0
    with httpx2.Client(trust_env=False, timeout=120) as client:
        for limit in (*frames, sys.maxsize):
            starts += 1
            with serving(command) as (server, url), stream(client, url, request, received, last) as response:
                assert response.status_code == 200
                for number, chunk in islice(numbered_chunks(response), limit):
                    received.append(chunk)
                    last = number
                server.kill()
            if received[-1]["choices"][0].get("finish_reason"):
                break
    return deltas_of(received), starts - 1


@contextmanager
def serving(command):
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server, f"{server.stdout.readline().split()[2]}/chat/completions"
        finally:
            server.kill()


def stream(client, url, request, received, last):
    """Start an answer, or read on after its event `last`."""
    if received:
        headers = {"last-event-id": str(last)}
        return client.stream("GET", f"{url}/{received[0]['id']}", headers=headers)
    return client.stream("POST", url, json=request, headers={"x-headrace-resumable": "1"})


def numbered_chunks(response):
    number = -1
    for line in response.iter_lines():
        if line.startswith("id:"):
            number = int(line.removeprefix("id:"))
        elif line.startswith("data: {"):
            yield number, json.loads(line.removeprefix("data: "))
